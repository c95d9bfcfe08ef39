import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { consult } from '#eventual/consult.ts'
import type { EventualNode } from '#eventual/eventual-node.ts'
import { connect, openReplica } from '#eventual/fixture.suite.ts'
import type { Replica } from '#eventual/replica.ts'
import { EventualVolumes as Definitions } from '#eventual/volumes.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { EventualVolumes } from './eventual-volumes.ts'
import { Pins } from './pins.ts'

export interface EventualFixture {
  readonly clock: ManualClock
  readonly replicas: readonly Replica[]
  readonly nodes: readonly EventualNode[]
  /** Of each node. */
  readonly volumes: readonly EventualVolumes[]
  /** All have one. */
  readonly chunks: ChunkStore
  /** Of each, how often it has told of a volume with another class. */
  readonly classChanges: readonly number[]
  /** Lets every node compare everything with the first, and again, so that all have the same. */
  settle(): Promise<void>
}

/** Nodes that know of each other, and speak only when they are told to. */
export async function eventualFixture(count = 1): Promise<EventualFixture> {
  const clock = new ManualClock()
  const replicas = await Promise.all(
    Array.from({ length: count }, (_, at) => openReplica({ id: String.fromCharCode(97 + at), clock, isFounder: at === 0 })),
  )
  const nodes = connect(replicas, clock)
  const chunks = openMemoryChunkStore({ clock })
  const settle = async () => {
    for (let round = 0; round < 2; round += 1)
      for (const node of nodes.slice(1)) await node.exchangeWith((replicas[0] as Replica).node)
    for (const each of volumes) await each.refresh()
  }
  const classChanges = replicas.map(() => 0)
  const volumes = replicas.map(
    (replica, at) =>
      new EventualVolumes({
        definitions: new Definitions(replica),
        chunksOf: () => chunks,
        clock,
        digests: nodeDigests,
        nodeId: replica.node,
        writeBufferBytes: 64 * 1024 * 1024,
        random: new SeededRandom(1),
        uploadExpiryMs: 3_600_000,
        onClassChange: () => void (classChanges[at] = (classChanges[at] ?? 0) + 1),
        pins: new Pins(),
        watch: (watcher) => replica.onChange(watcher),
        consult: async (place, need) => {
          const peers = {
            running: () => replicas.map(({ node }) => node),
            call: (to: string, message: Parameters<EventualNode['answer']>[0]) =>
              (nodes[replicas.findIndex(({ node }) => node === to)] as EventualNode).answer(message),
          }
          await consult(replica, place, { peers, need })
        },
      }),
  )
  await settle()
  return { clock, replicas, nodes, volumes, chunks, classChanges, settle }
}
