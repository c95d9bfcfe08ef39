import { isShoalError } from '#foundation/errors.ts'
import { parsePath } from '#foundation/path.ts'
import type { Path } from '#foundation/path.ts'
import type { SeededRandom } from '#platform/seeded-random.ts'
import type { Volume } from '#volume/volume.ts'
import type { FileCall, FileName } from './file-group.ts'
import type { Operation } from './linearizability.ts'
import type { SimulatedNode } from './simulated-node.ts'

export const VOLUME = 'docs'
const CALLER = { principal: 'client' }
/** A content's first line says which it is. */
const INLINE_BYTES = 500
const CHUNK_BYTES = 6_000

export type Seen = Operation<FileCall> & { readonly client: string; readonly node: string; readonly error: string | undefined }

export interface ClientOptions {
  readonly random: SeededRandom
  /** A moment that nothing else has. */
  readonly now: () => number
  readonly pickNode: () => SimulatedNode
}

/** Groups of two files, and all that was seen of each. */
export class Clients {
  readonly histories = new Map<string, Seen[]>()
  /** Answers that nothing that was done can explain. */
  readonly wrong: string[] = []
  readonly counts = { acknowledged: 0, refused: 0, unknown: 0 }
  readonly #options: ClientOptions
  #values = 0

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /** One operation on a group, at a node, the way a gateway would do it. */
  async act(client: string, group: string): Promise<void> {
    const { random, pickNode } = this.#options
    const node = pickNode()
    const name: FileName = random.chance(0.5) ? 'a' : 'b'
    const dice = random.fraction()
    if (dice < 0.4) await this.read({ client, group, name, node })
    else if (!node.isUp || !node.life.kv.isLeading) return
    else if (dice < 0.75) await this.#write({ client, group, name, node })
    else if (dice < 0.88) await this.#change({ client, group, name, node }, 'remove')
    else await this.#change({ client, group, name, node }, 'rename')
  }

  async read(at: Place): Promise<boolean> {
    const seen = this.#begin(at, { kind: 'read', name: at.name, seen: null })
    const { end, result } = await this.#run(at, async (volume) => textOf(volume, pathOf(at)))
    if (result === undefined) {
      this.#drop(at, seen)
      return false
    }
    this.#finish(at, seen, { end, call: { kind: 'read', name: at.name, seen: result } })
    return true
  }

  async #write(at: Place): Promise<void> {
    this.#values += 1
    const value = String(this.#values)
    const bytes = contentOf(value, this.#options.random)
    const seen = this.#begin(at, { kind: 'write', name: at.name, value })
    const { end, result, mayHaveHappened } = await this.#run(at, (volume) =>
      volume.writeFile(pathOf(at), bytes, { caller: CALLER, createParents: true }),
    )
    this.#conclude(at, seen, {
      end,
      mayHaveHappened,
      call: result === undefined ? undefined : { kind: 'write', name: at.name, value },
    })
  }

  async #change(at: Place, kind: 'remove' | 'rename'): Promise<void> {
    const call = (isFound: boolean, isKnown: boolean): FileCall =>
      kind === 'remove' ? { kind, name: at.name, isFound, isKnown } : { kind, from: at.name, isFound, isKnown }
    const seen = this.#begin(at, call(true, false))
    const target = pathOf({ ...at, name: at.name === 'a' ? 'b' : 'a' })
    const { end, result, mayHaveHappened } = await this.#run(at, async (volume) => {
      try {
        if (kind === 'remove') await volume.remove(pathOf(at), { caller: CALLER })
        else await volume.rename(pathOf(at), target, { caller: CALLER })
        return true
      } catch (error) {
        if (isShoalError(error, 'NOT_FOUND')) return false
        throw error
      }
    })
    this.#conclude(at, seen, { end, mayHaveHappened, call: result === undefined ? undefined : call(result, true) })
  }

  /** Runs what a gateway of the node would run, until it answers or the node dies under it. */
  async #run<T>(at: Place, run: (volume: Volume) => Promise<T>): Promise<Outcome<T>> {
    const { now } = this.#options
    try {
      const { volumes, ended } = at.node.life
      const died = new Promise<never>((_resolve, reject) => {
        ended.signal.addEventListener('abort', () => reject(new DiedError()), { once: true })
      })
      died.catch(() => {})
      const result = await Promise.race([volumes.open(VOLUME).then(run), died])
      this.counts.acknowledged += 1
      return { end: now(), result, mayHaveHappened: true }
    } catch (error) {
      const isRefused = isShoalError(error) && REFUSALS.has(error.code) && error.details['ambiguous'] !== true
      if (!isShoalError(error) && !(error instanceof DiedError)) this.wrong.push(`${tell(at)}: ${String((error as Error).stack)}`)
      if (isShoalError(error) && !REFUSALS.has(error.code)) this.wrong.push(`${tell(at)}: ${error.code} ${error.message}`)
      this.counts[isRefused ? 'refused' : 'unknown'] += 1
      return { end: now(), result: undefined, mayHaveHappened: !isRefused }
    }
  }

  #begin({ client, group, node }: Place, call: FileCall): Seen {
    const seen: Seen = {
      client,
      node: node.host,
      call,
      begin: this.#options.now(),
      end: Number.POSITIVE_INFINITY,
      error: undefined,
    }
    const history = this.histories.get(group) ?? []
    this.histories.set(group, history)
    history.push(seen)
    return seen
  }

  #conclude(
    at: Place,
    seen: Seen,
    { end, call, mayHaveHappened }: { end: number; call: FileCall | undefined; mayHaveHappened: boolean },
  ): void {
    if (call !== undefined) this.#finish(at, seen, { end, call })
    else if (!mayHaveHappened) this.#drop(at, seen)
  }

  #finish({ group }: Place, seen: Seen, known: { end: number; call: FileCall }): void {
    const history = this.histories.get(group) as Seen[]
    history[history.indexOf(seen)] = { ...seen, ...known }
  }

  #drop({ group }: Place, seen: Seen): void {
    const history = this.histories.get(group) as Seen[]
    history.splice(history.indexOf(seen), 1)
  }
}

interface Place {
  readonly client: string
  readonly group: string
  readonly name: FileName
  readonly node: SimulatedNode
}

interface Outcome<T> {
  readonly end: number
  readonly result: T | undefined
  readonly mayHaveHappened: boolean
}

/** What a node may say when it can't, and has changed nothing unless it says `ambiguous`. */
const REFUSALS: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TIMEOUT', 'BUSY', 'NO_SPACE', 'STORAGE_FAILED', 'CANCELLED'])

class DiedError extends Error {}

function tell({ client, group, name, node }: Place): string {
  return `${client} at ${node.host}, ${group}/${name}`
}

export function pathOf({ group, name }: { readonly group: string; readonly name: FileName }): Path {
  return parsePath(`${group}/${name}`)
}

function contentOf(value: string, random: SeededRandom): Buffer {
  const bytes = Buffer.alloc(random.chance(0.5) ? INLINE_BYTES : CHUNK_BYTES + random.below(CHUNK_BYTES), `${value}.`)
  bytes.write(`${value}\n`)
  return bytes
}

async function textOf(volume: Volume, path: Path): Promise<string | null> {
  const file = await volume.openFile(path)
  if (file === undefined) return null
  try {
    const pieces: Buffer[] = []
    for await (const piece of file.read({ offset: 0, length: file.attributes.sizeBytes })) pieces.push(Buffer.from(piece))
    const bytes = Buffer.concat(pieces)
    const value = bytes.toString('latin1', 0, bytes.indexOf('\n'))
    const whole = Buffer.alloc(bytes.length, `${value}.`)
    whole.write(`${value}\n`)
    return whole.equals(bytes) ? value : `other bytes than those of ${value}`
  } finally {
    file.close()
  }
}
