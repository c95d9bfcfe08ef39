import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { type EntryState, NOTHING } from './entry.ts'
import { hashOfPlace, type Place } from './keys.ts'
import type { Message, Peers } from './message.ts'
import type { Replica } from './replica.ts'

export interface ConsultOptions {
  readonly peers: Peers
  /** How many members must have been heard, this one included: more than half, or each. */
  readonly need: 'quorum' | 'all'
  readonly signal?: AbortSignal | undefined
}

/** What a place has according to more members than this one: asks them all at once, until so many have answered, and takes in what they say, as they take in what this one
 *  has. So with `quorum` whatever a majority of members has acknowledged before, reading or writing so, is seen. It doesn't make changes
 *  of several nodes take effect in one order: two may still conflict.
 *  @throws UNAVAILABLE when too few answer, with how many did */
export async function consult(replica: Replica, place: Place, { peers, need, signal }: ConsultOptions): Promise<EntryState> {
  const members = replica.knowledge.members()
  const needed = need === 'all' ? members.length : Math.floor(members.length / 2) + 1
  const request = await requestFor(replica, place)
  const others = members.filter((id) => id !== replica.node)
  const asked = others.map((id) => ask(replica, id, { request, peers, signal }))
  const answered = 1 + (await countUntil(asked, needed - 1))
  if (answered < needed) {
    throw new ShoalError(
      'UNAVAILABLE',
      `${answered} of ${members.length} members answered, and ${needed} are needed: try again, or ask this node alone`,
      {
        details: { answered, needed, members: members.length },
      },
    )
  }
  return replica.store.read((snapshot) => replica.table.read(snapshot, place))
}

/** How many of them are true, as soon as so many are, or once all are known: who is silent is not waited for then. */
async function countUntil(answers: readonly Promise<boolean>[], needed: number): Promise<number> {
  let count = 0
  const enough = Promise.withResolvers<void>()
  const each = answers.map(async (answer) => {
    if (await answer) count += 1
    if (count >= needed) enough.resolve()
  })
  await Promise.race([enough.promise, Promise.all(each)])
  return count
}

async function requestFor(replica: Replica, place: Place): Promise<Message> {
  const { node, clock, store, table } = replica
  const { own, floor } = await store.read((snapshot) => ({
    own: replica.transferred(snapshot, place),
    floor: table.floor(snapshot),
  }))
  const entries = own.state === NOTHING ? [] : [own]
  return { from: node, now: clock.now(), floor, body: { kind: 'swap', wants: [hashOfPlace(place)], entries } }
}

/** Whether the member has answered. */
async function ask(
  replica: Replica,
  id: NodeId,
  { request, peers, signal }: { readonly request: Message; readonly peers: Peers; readonly signal: AbortSignal | undefined },
): Promise<boolean> {
  try {
    const { from, now, floor, body } = await peers.call(id, request, signal)
    if (from !== id || body.kind !== 'swapped') return false
    replica.clock.observe(now, id)
    await replica.mergeAll(body.entries, floor, { from: id, by: 'exchange' })
    return true
  } catch (error) {
    if (!isShoalError(error)) throw error
    return false
  }
}
