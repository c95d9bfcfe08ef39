// Which chunks nobody can come to use any more, without one who decides it: docs/adr/0028-space-without-a-leader.md says why it holds.

import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { isInVersion, usedLately } from './chunk-uses.ts'
import { kindRange, leftKey, readLeftKey, readLeftValue } from './keys.ts'
import { CHUNKS_MAX, type Peers } from './message.ts'
import type { Replica } from './replica.ts'

export interface SettleOptions {
  readonly peers: Peers
  readonly signal?: AbortSignal | undefined
}

/** Members asked at a time. */
const ASKED_AT_ONCE = 8

interface LeftRow {
  readonly chunk: ChunkId
  readonly value: Buffer
}

/** Lets go of chunks that versions here have had, and that no member has any more: asks all of them, and does nothing unless each answers. Other
 *  parts may stop it anywhere. @returns how many were let go of */
export async function settleLeft(replica: Replica, options: SettleOptions): Promise<number> {
  let settled = 0
  for await (const rows of pagesOfLeft(replica)) {
    if (options.signal?.aborted === true) return settled
    const old = rows.filter(({ value }) => !replica.wasLately(readLeftValue(value).atMs))
    const here = await replica.store.read((snapshot) => old.filter(({ chunk }) => isInVersion(snapshot, chunk)))
    const asked = old.filter((row) => !here.includes(row)).map(({ chunk }) => chunk)
    const gone = await unusedEverywhere(replica, asked, options)
    const done = [...here, ...old.filter(({ chunk }) => gone?.has(chunk) === true)]
    if (done.length > 0) await forget(replica, done)
    if (gone === undefined) return settled
    settled += gone.size
  }
  return settled
}

/** Those of the chunks that no member has, this one included, nor has had until lately; `undefined` unless all members answer, and this one knows
 *  who they are. There was a moment then at which nobody had them, and nothing that would tell of them was on its way. */
export async function unusedEverywhere(
  replica: Replica,
  chunks: readonly ChunkId[],
  options: SettleOptions,
): Promise<ReadonlySet<ChunkId> | undefined> {
  if (!replica.isInTouch) return undefined
  const others = replica.knowledge.members().filter((id) => id !== replica.node)
  const running = new Set(options.peers.running())
  if (!others.every((id) => running.has(id))) return undefined
  const here = await usedLately(replica, chunks)
  const unused = new Set(chunks.filter((_, at) => here[at] === false))
  for (let at = 0; at < others.length && unused.size > 0; at += ASKED_AT_ONCE) {
    const asked = [...unused]
    const group = others.slice(at, at + ASKED_AT_ONCE)
    const answers = await Promise.all(group.map((id) => ask(replica, { id, chunks: asked, ...options })))
    for (const used of answers) {
      if (used === undefined) return undefined
      for (const [index, chunk] of asked.entries()) if (used[index] !== false) unused.delete(chunk)
    }
  }
  return unused
}

async function ask(
  replica: Replica,
  { id, chunks, peers, signal }: SettleOptions & { readonly id: NodeId; readonly chunks: readonly ChunkId[] },
): Promise<readonly boolean[] | undefined> {
  const { node, clock, table, store } = replica
  try {
    const floor = await store.read((snapshot) => table.floor(snapshot))
    const { from, now, body } = await peers.call(
      id,
      { from: node, now: clock.now(), floor, body: { kind: 'uses', chunks } },
      signal,
    )
    if (from !== id || body.kind !== 'used' || body.used.length !== chunks.length) return undefined
    clock.observe(now, id)
    return body.used
  } catch (error) {
    if (!isShoalError(error)) throw error
    return undefined
  }
}

/** Unless they were left once more meanwhile. */
async function forget(replica: Replica, rows: readonly LeftRow[]): Promise<void> {
  await replica.store.transact((transaction) => {
    for (const { chunk, value } of rows)
      if (transaction.get(leftKey(chunk))?.equals(value) === true) transaction.delete(leftKey(chunk))
  })
}

async function* pagesOfLeft({ store }: Replica): AsyncGenerator<LeftRow[]> {
  const { start, end } = kindRange('l')
  let from: Uint8Array = start
  for (;;) {
    const rows = await store.read((snapshot) => [...snapshot.range({ start: from, end, limit: CHUNKS_MAX })])
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map(({ key, value }) => ({ chunk: readLeftKey(key), value }))
    from = Buffer.concat([last.key, Buffer.of(0)])
  }
}
