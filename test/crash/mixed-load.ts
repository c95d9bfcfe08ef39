// Mixed load with a memory: every worker owns some paths, and knows for each what the node has acknowledged. An operation
// that was not answered when the node died may have happened or not, but nothing in between.

import { randomBytes } from 'node:crypto'
import type { RestFiles } from './rest-files.ts'

export const VOLUME = 'crash'
/** Small chunks, so that files of a few MiB have many. */
export const CHUNK_BYTES = 1024 * 1024

const PATHS_PER_WORKER = 6

/** Contents of a file; `undefined`: there is none. */
export type State = Buffer | undefined

interface Operation {
  /** What the paths it touches hold afterwards. */
  readonly after: ReadonlyMap<string, State>
  run(rest: RestFiles): Promise<void>
}

/** Small files mostly, as in life; some around the limits, some of several chunks. */
function randomContents(): Buffer {
  const kind = Math.random()
  if (kind < 0.5) return randomBytes(Math.floor(Math.random() * 5_000))
  if (kind < 0.8) return randomBytes(Math.floor(Math.random() * 300_000))
  return randomBytes(Math.floor(Math.random() * 6 * CHUNK_BYTES))
}

export class Worker {
  readonly states = new Map<string, State>()
  /** The operation that has not been answered. */
  pending: Operation | undefined
  acknowledged = 0
  readonly #paths: readonly string[]

  constructor(name: string) {
    this.#paths = Array.from({ length: PATHS_PER_WORKER }, (_, index) => `${name}/dir${index % 2}/file${index}`)
    for (const path of this.#paths) this.states.set(path, undefined)
  }

  /** Works until a call fails, which is the sign that the node is gone. */
  async run(rest: RestFiles): Promise<void> {
    for (;;) {
      this.pending = this.#choose()
      await this.pending.run(rest)
      for (const [path, state] of this.pending.after) this.states.set(path, state)
      this.pending = undefined
      this.acknowledged += 1
    }
  }

  #choose(): Operation {
    const path = this.#pick()
    const now = this.states.get(path)
    const kind = Math.random()
    if (now === undefined || kind < 0.4) return put(path, randomContents())
    if (kind < 0.55) return remove(path)
    if (kind < 0.7) return patch(path, now)
    if (kind < 0.8) return move(path, this.#pick(), now)
    if (kind < 0.9) return copy(path, this.#pick(), now)
    return upload(path)
  }

  #pick(): string {
    return this.#paths[Math.floor(Math.random() * this.#paths.length)] as string
  }
}

const fileUrl = (path: string): string => `/volumes/${VOLUME}/files/${path}`
const entryUrl = (path: string): string => `/volumes/${VOLUME}/entries/${path}`

function put(path: string, bytes: Buffer): Operation {
  return {
    after: new Map([[path, bytes]]),
    async run(rest) {
      await rest.expect('PUT', fileUrl(path), bytes)
    },
  }
}

function remove(path: string): Operation {
  return {
    after: new Map([[path, undefined]]),
    async run(rest) {
      await rest.expect('DELETE', fileUrl(path))
    },
  }
}

function patch(path: string, now: Buffer): Operation {
  const bytes = randomBytes(1 + Math.floor(Math.random() * 20_000))
  const offset = Math.floor(Math.random() * (now.length + 10_000))
  const after = Buffer.alloc(Math.max(now.length, offset + bytes.length))
  now.copy(after)
  bytes.copy(after, offset)
  return {
    after: new Map([[path, after]]),
    async run(rest) {
      await rest.expect('PATCH', `${fileUrl(path)}?offset=${offset}`, bytes)
    },
  }
}

function move(path: string, to: string, now: Buffer): Operation {
  const after = new Map<string, State>(
    path === to
      ? [[path, now]]
      : [
          [path, undefined],
          [to, now],
        ],
  )
  return {
    after,
    async run(rest) {
      await rest.expect('POST', entryUrl(path), { op: 'move', to, parents: true })
    },
  }
}

function copy(path: string, to: string, now: Buffer): Operation {
  return {
    after: new Map([[to, now]]),
    async run(rest) {
      await rest.expect('POST', entryUrl(path), { op: 'copy', to, parents: true })
    },
  }
}

function upload(path: string): Operation {
  const parts = Array.from({ length: 3 }, () => randomContents())
  return {
    after: new Map([[path, Buffer.concat(parts)]]),
    async run(rest) {
      const { id } = JSON.parse(
        (await rest.expect('POST', `/volumes/${VOLUME}/uploads`, { path, parents: true })).toString(),
      ) as { id: string }
      await Promise.all(
        parts.map((part, index) => rest.expect('PUT', `/volumes/${VOLUME}/uploads/${id}/parts/${index + 1}`, part)),
      )
      await rest.expect('POST', `/volumes/${VOLUME}/uploads/${id}/commit`, {})
    },
  }
}

/** Compares what the node holds with what it acknowledged; the pending operation of each worker has happened or not.
 *  Afterwards the workers know which. */
export async function verifyWorker(rest: RestFiles, worker: Worker): Promise<void> {
  const observed = new Map<string, State>()
  for (const path of worker.states.keys()) observed.set(path, await readState(rest, path))
  const { pending } = worker
  worker.pending = undefined
  const touched = pending?.after ?? new Map<string, State>()
  for (const [path, state] of worker.states) {
    if (!touched.has(path)) assertSame(path, observed.get(path), state)
  }
  const isBefore = [...touched.keys()].every((path) => isSame(observed.get(path), worker.states.get(path)))
  const isAfter = [...touched].every(([path, state]) => isSame(observed.get(path), state))
  if (!isBefore && !isAfter)
    throw new Error(`An operation that was not acknowledged is half done: ${describe(touched, worker.states, observed)}`)
  for (const [path, state] of observed) worker.states.set(path, state)
}

async function readState(rest: RestFiles, path: string): Promise<State> {
  const answer = await rest.call('GET', fileUrl(path))
  if (answer.status === 404) return undefined
  if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status}: ${answer.body.toString('utf8', 0, 300)}`)
  return answer.body
}

function isSame(a: State, b: State): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b)
}

function assertSame(path: string, observed: State, acknowledged: State): void {
  if (isSame(observed, acknowledged)) return
  throw new Error(`"${path}" was acknowledged as ${show(acknowledged)}, and reads back as ${show(observed)}`)
}

function show(state: State): string {
  return state === undefined ? 'absent' : `${state.length} bytes ${state.toString('hex', 0, 8)}…`
}

function describe(
  after: ReadonlyMap<string, State>,
  before: ReadonlyMap<string, State>,
  observed: ReadonlyMap<string, State>,
): string {
  return [...after.keys()]
    .map((path) => `"${path}" was ${show(before.get(path))}, would be ${show(after.get(path))}, is ${show(observed.get(path))}`)
    .join('; ')
}
