import type { NodeId } from '#foundation/ids.ts'
import { MemoryDisk, openMemoryStore } from '#kv/memory.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { EventualNode } from './eventual-node.ts'
import { Replica } from './replica.ts'

export const nodeId = (letter: string): NodeId => letter.repeat(32) as NodeId

export interface FixtureOptions {
  readonly id?: string
  readonly disk?: MemoryDisk
  readonly clock?: ManualClock
  readonly isFounder?: boolean
  readonly depth?: number
}

/** A replica alone in its cluster, on a disk in memory. */
export function openReplica(options: FixtureOptions = {}): Promise<Replica> {
  const { id = 'a', disk = new MemoryDisk(), clock = new ManualClock(), isFounder = true, depth = 2 } = options
  return Replica.open({ node: nodeId(id), store: openMemoryStore({ disk }), clock, isFounder, depth, floorStepMs: 1 })
}

/** Nodes that reach each other at once, and do only what they are told to. */
export function connect(replicas: readonly Replica[], clock: ManualClock): EventualNode[] {
  const nodes: EventualNode[] = replicas.map(
    (replica, at) =>
      new EventualNode({
        replica,
        clock,
        random: new SeededRandom(at),
        log: silentLog,
        timing: { reportIntervalMsPerMember: 0 },
        peers: {
          running: () => replicas.flatMap(({ node }) => (node === replica.node ? [] : [node])),
          call: (to, message) => nodes[replicas.findIndex(({ node }) => node === to)]!.answer(message),
        },
      }),
  )
  return nodes
}
