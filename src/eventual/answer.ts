import { ShoalError } from '#foundation/errors.ts'
import type { Snapshot } from '#kv/store.ts'
import { usedLately } from './chunk-uses.ts'
import { areSameVersions } from './entry-table.ts'
import { type HybridTime, NO_TIME } from './hybrid-clock.ts'
import { hashOfPlace, indexKey, type Place, readIndexRow } from './keys.ts'
import { type Body, type Message, ROWS_MAX, SWAP_MAX, type TransferredState } from './message.ts'
import { PageFiller } from './page-filler.ts'
import type { Replica } from './replica.ts'

/** What a node answers to a message. It remembers nothing between messages: whatever is lost on the way can be asked again.
 *  @throws FORBIDDEN to a node that was removed; UNAVAILABLE to one whose clock is wrong; INVALID_ARGUMENT */
export async function answerMessage(replica: Replica, message: Message): Promise<Message> {
  const { from, now, body } = message
  if (!replica.isAdmitted) throw new ShoalError('UNAVAILABLE', 'This node is no member of a cluster yet')
  if (body.kind === 'begin') await replica.admit(from)
  else if (replica.knowledge.of(from) === undefined) {
    if (replica.knowledge.isRemoved(from)) await replica.admit(from)
    throw new ShoalError('UNAVAILABLE', `Node ${from} is not known here yet: it has to begin an exchange first`)
  }
  replica.clock.observe(now, from)
  const { floor = NO_TIME, ...answer } = await answerBody(replica, message)
  return { from: replica.node, now: replica.clock.now(), floor, body: answer.body }
}

interface Answer {
  readonly floor?: HybridTime
  readonly body: Body
}

async function answerBody(replica: Replica, message: Message): Promise<Answer> {
  const { body, floor, from } = message
  switch (body.kind) {
    case 'rumours':
      return { body: { kind: 'heard', news: await replica.mergeAll(body.entries, floor, { from, by: 'rumour' }) } }
    case 'begin':
      return begin(replica, message, body)
    case 'compare':
      return { body: await compare(replica, body.paths) }
    case 'list':
      return { body: await list(replica, body.paths, body.after) }
    case 'swap':
      return swap(replica, message, body)
    case 'finish':
      if (body.report !== undefined) {
        await replica.learn(body.report)
        replica.knowledge.caughtUpWith(body.report)
        await replica.raiseFloor(floor)
      }
      return { body: { kind: 'done' } }
    case 'uses':
      return { body: { kind: 'used', used: await usedLately(replica, body.chunks) } }
    case 'heard':
    case 'begun':
    case 'compared':
    case 'listed':
    case 'swapped':
    case 'done':
    case 'used':
      throw new ShoalError('INVALID_ARGUMENT', `"${body.kind}" is an answer, and nothing was asked`)
  }
}

async function begin(replica: Replica, { floor }: Message, { depth, report }: Extract<Body, { kind: 'begin' }>): Promise<Answer> {
  const { table, store } = replica
  if (depth !== table.tree.depth) {
    throw new ShoalError('INVALID_ARGUMENT', `The trees of digests have ${depth} levels there and ${table.tree.depth} here`)
  }
  if (report !== undefined) {
    await replica.learn(report)
    await replica.raiseFloor(floor)
  }
  // What it says is said before the digest is read: so the digest has all of it.
  const own = report === undefined ? undefined : await replica.report()
  const { root, ownFloor } = await store.read((snapshot) => ({
    root: table.tree.root(snapshot),
    ownFloor: table.floor(snapshot),
  }))
  return { floor: ownFloor, body: { kind: 'begun', root, report: own } }
}

async function compare({ table, store }: Replica, paths: readonly string[]): Promise<Body> {
  for (const path of paths) if (table.tree.isLeaf(path)) throw new ShoalError('INVALID_ARGUMENT', 'A leaf has no children')
  const digests = await store.read((snapshot) => paths.flatMap((path) => table.tree.children(snapshot, path)))
  return { kind: 'compared', digests }
}

async function list(replica: Replica, paths: readonly string[], after: Buffer | undefined): Promise<Body> {
  const { rows, isComplete } = await replica.store.read((snapshot) => listRows(replica, snapshot, { paths, after }))
  return { kind: 'listed', rows, isComplete }
}

export interface RowRequest {
  /** In order. */
  readonly paths: readonly string[]
  readonly after: Buffer | undefined
  readonly limit?: number
}

/** The index rows below leaves, in the order of their hashes. */
export function listRows({ table }: Replica, snapshot: Snapshot, { paths, after, limit = ROWS_MAX }: RowRequest) {
  const rows: { placeHash: Buffer; digest: Buffer; place: Place }[] = []
  const behind = after?.toString('hex') ?? ''
  for (const path of paths) {
    if (path.padEnd(32, 'f') < behind) continue
    for (const row of table.tree.rows(snapshot, path, behind.startsWith(path) ? after : undefined)) {
      if (rows.length === limit) return { rows, isComplete: false }
      rows.push(row)
    }
  }
  return { rows, isComplete: true }
}

async function swap(
  replica: Replica,
  { floor, from }: Message,
  { wants, entries }: Extract<Body, { kind: 'swap' }>,
): Promise<Answer> {
  await replica.mergeAll(entries, floor, { from, by: 'exchange' })
  return replica.store.read((snapshot) => {
    const page = new PageFiller(SWAP_MAX)
    const given = new Set<string>()
    let served = 0
    for (const placeHash of wants) {
      if (page.isFull) break
      served += 1
      const wanted = findByHash(replica, snapshot, placeHash)
      if (wanted === undefined) continue
      page.add(wanted)
      given.add(placeHash.toString('hex'))
    }
    // What was sent and is other here now, or is nothing any more: its sender has to know.
    for (const entry of entries) {
      const mine = replica.transferred(snapshot, entry)
      if (areSameVersions(mine.state, entry.state)) continue
      if (!given.has(hashOfPlace(entry).toString('hex'))) page.add(mine)
    }
    return { floor: replica.table.floor(snapshot), body: { kind: 'swapped', served, entries: page.entries } }
  })
}

function findByHash(replica: Replica, snapshot: Snapshot, placeHash: Buffer): TransferredState | undefined {
  const key = indexKey(placeHash)
  const row = snapshot.get(key)
  return row === undefined ? undefined : replica.transferred(snapshot, readIndexRow(key, row).place)
}
