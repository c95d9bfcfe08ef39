import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { parseClassPolicy } from '#placement/class-policy.ts'
import type { Ack } from '#placement/class-policy.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import { nodes } from '#placement/nodes.suite.ts'
import { idOf, sampleBytes } from '#chunk/store.suite.ts'
import type { ManualClock } from '#platform/manual-clock.ts'
import { ChunkRepairer } from './chunk-repairer.suite.ts'
import type { ChunkRoom } from './chunk-memory.ts'
import { CopySearch } from './copy-search.ts'
import { FakeCluster, TEST_DIGESTS } from './fake-cluster.suite.ts'
import type { FakeNode } from './fake-cluster.suite.ts'
import { RepairQueue } from './repair-queue.ts'
import { ReplicatedChunkStore } from './replicated-store.ts'
import type { ReplicationLimits } from './replicated-store.ts'

export interface FixtureOptions {
  readonly count?: number
  readonly zones?: number
  readonly copies?: number
  readonly ack?: Ack
  readonly clock?: ManualClock
  readonly limits?: Partial<ReplicationLimits>
  readonly repairsMax?: number
  readonly memory?: ChunkRoom
}

/** A cluster in memory, and the replicated store of its first node. */
export class Fixture {
  readonly cluster: FakeCluster
  readonly repairs: RepairQueue
  readonly store: ReplicatedChunkStore
  readonly repairer: ChunkRepairer
  pair: LayoutPair

  constructor({ count = 5, zones = count, copies = 3, ack = 'quorum', clock, limits, repairsMax, memory }: FixtureOptions = {}) {
    const members = nodes(count, zones)
    this.cluster = new FakeCluster(
      members.map(({ id }) => id),
      clock,
    )
    this.pair = new LayoutPair(computeLayout({ nodes: members, copies, partitionBits: 8 }))
    this.repairs = new RepairQueue(repairsMax === undefined ? {} : { waitingMax: repairsMax })
    const common = {
      peers: this.cluster.peersOf((members[0] as { id: NodeId }).id),
      layouts: () => this.pair,
      clock: this.cluster.clock,
      digests: TEST_DIGESTS,
    }
    const policy = parseClassPolicy({ name: 'test', copies, ack })
    this.store = new ReplicatedChunkStore({
      ...common,
      policy,
      memory,
      repairs: this.repairs,
      ...(limits === undefined ? {} : { limits }),
    })
    const search = new CopySearch({ ...common, callMs: 1_000 })
    this.repairer = new ChunkRepairer({ ...common, search, copyMs: 5_000 })
  }

  get self(): FakeNode {
    return this.cluster.nodes[0] as FakeNode
  }

  /** A chunk whose holders are as asked. */
  chunkWhere(isWanted: (holders: readonly NodeId[]) => boolean): { id: ChunkId; bytes: Buffer; holders: FakeNode[] } {
    for (let seed = 1; ; seed += 1) {
      const bytes = sampleBytes(2_000, seed)
      const id = idOf(bytes)
      const holders = this.pair.writers(id)
      if (isWanted(holders)) return { id, bytes, holders: holders.map((node) => this.cluster.node(node)) }
    }
  }

  /** One that this node has no copy of. */
  remoteChunk(): { id: ChunkId; bytes: Buffer; holders: FakeNode[] } {
    return this.chunkWhere((holders) => !holders.includes(this.self.id))
  }

  /** One whose primary is this node. */
  localChunk(): { id: ChunkId; bytes: Buffer; holders: FakeNode[] } {
    return this.chunkWhere((holders) => holders[0] === this.self.id)
  }

  /** Carries out every repair that waits, until none does. */
  async drainRepairs(): Promise<void> {
    for (let next = this.repairs.take(); next !== undefined; next = this.repairs.take()) {
      await this.cluster.settle(this.repairer.repair(next.chunk))
    }
  }
}
