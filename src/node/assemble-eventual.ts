import { consult } from '#eventual/consult.ts'
import type { Config } from '#config/settings.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import type { ChunkPeers } from '#replication/peers.ts'
import { classOf, layoutName } from '#system/system-view.ts'
import type { SystemView } from '#system/system-view.ts'
import { EventualVolumes } from '#volume/eventual-volumes.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import type { ChunkCluster } from './chunk-cluster.ts'
import type { ClusterNode } from './cluster-node.ts'
import { EventualChunks } from './eventual-chunks.ts'
import type { EventualCluster } from './eventual-cluster.ts'
import { EventualUpkeep } from './eventual-upkeep.ts'
import { FetchedChunks } from './fetched-chunks.ts'
import { KeepEverywhere } from './keep-everywhere.ts'
import { LeaderlessCollection } from './leaderless-collection.ts'
import { LeaderlessRepair } from './leaderless-repair.ts'
import type { Leadership } from './leadership.ts'

/** The eventual volumes of a node, and what works for them. */
export interface EventualParts {
  readonly volumes: EventualVolumes
  /** To be called once the cluster listens. */
  start(): Promise<void>
  stop(): Promise<void>
}

export function assembleEventual(parts: {
  readonly eventual: EventualCluster
  readonly cluster: Pick<ClusterNode, 'isHomeGone'> & { readonly leadership: Pick<Leadership, 'isLeading' | 'leader'> }
  readonly chunks: Pick<ChunkCluster, 'classes' | 'peers' | 'records'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly config: Pick<Config, 'limits' | 'uploads' | 'gc'>
  readonly onClassChange: () => void
}): EventualParts {
  const { eventual, chunks, clock, random, config } = parts
  const { replica, definitions, chunks: local, peers } = eventual
  const log = parts.log.child({ part: 'eventual' })
  const self = replica.node
  const fetched = new FetchedChunks({
    store: replica.store,
    chunks: eventual.ownChunks,
    maxBytes: config.limits.fetchedBytes,
    isPinned: (id) => eventual.pins.has(id),
    isDispensable: (id, className) => isDispensable(id, { self, className, view: chunks.records.view, peers: chunks.peers }),
    clock,
    log,
  })
  const shared = new EventualChunks({
    fetched,
    self,
    local,
    classes: chunks.classes,
    peers: chunks.peers,
    running: () => peers.running(),
    small: {
      targetsOf: (id, className) => targetsOf(id, { self, className, view: chunks.records.view, peers: chunks.peers }),
      send: (node, small, signal) => eventual.sendSmallChunks(node, small, signal),
      isBusy: () => replica.isBusy,
      clock,
    },
    log,
  })
  const volumes = new EventualVolumes({
    definitions,
    chunksOf: (name) => shared.of(name),
    clock,
    digests: nodeDigests,
    nodeId: self,
    random,
    pins: eventual.pins,
    writeBufferBytes: config.limits.writeBufferBytes,
    uploadExpiryMs: config.uploads.expiryMs,
    onClassChange: parts.onClassChange,
    watch: (watcher) => replica.onChange(watcher),
    consult: async (place, need, signal) => {
      await consult(replica, place, { peers, need, signal })
    },
  })
  replica.onDefinitions(
    () => void volumes.refresh().catch((error: unknown) => log.error('the definitions of volumes could not be read', { error })),
  )
  const keeper = new KeepEverywhere({ replica, definitions, local, chunks: shared, clock, log })
  const { leadership } = parts.cluster
  const repair = new LeaderlessRepair({
    replica,
    peers: chunks.peers,
    running: () => peers.running(),
    view: () => chunks.records.view,
    isLeaderless: () => !leadership.isLeading && !peers.running().includes(leadership.leader()?.nodeId ?? self),
    clock,
    log,
  })
  const collection = new LeaderlessCollection({
    replica,
    chunks: local,
    referenced: (ids) => eventual.referenced(ids),
    isForGood: () => parts.cluster.isHomeGone,
    graceMs: config.uploads.expiryMs + config.gc.graceMs,
    intervalMs: config.gc.sweepIntervalMs,
    clock,
    log,
  })
  const upkeep = new EventualUpkeep({ replica, peers, volumes, chunks: shared, clock, log })
  return {
    volumes,
    async start() {
      await volumes.refresh()
      await eventual.start()
      await fetched.open()
      keeper.start()
      upkeep.start()
      repair.start()
      collection.start()
    },
    async stop() {
      await collection.stop()
      await repair.stop()
      await upkeep.stop()
      await keeper.stop()
      await shared.stop()
      await fetched.stop()
      await eventual.stop()
    },
  }
}

interface Holding {
  readonly self: NodeId
  readonly className: string
  readonly view: SystemView
  readonly peers: ChunkPeers
}

const LOOK_MS = 5_000

/** Whether no layout has the chunk on this node, and all nodes have it on which its class has it. */
async function isDispensable(id: ChunkId, { self, className, view, peers }: Holding): Promise<boolean> {
  const pair = view.layouts.get(layoutName(classOf(view, className)))
  if (pair === undefined || [...view.layouts.values()].some((each) => each.readers(id).includes(self))) return false
  const places = await Promise.all(
    pair.next.holders(id).map((node) => peers.store(node).locate(id, AbortSignal.timeout(LOOK_MS))),
  )
  return places.length > 0 && places.every((place) => place !== undefined)
}

/** The other nodes where a class has the chunk; `undefined` unless each can be sent it now. */
function targetsOf(id: ChunkId, { self, className, view, peers }: Holding): readonly NodeId[] | undefined {
  const pair = view.layouts.get(layoutName(classOf(view, className)))
  const others = pair?.next.holders(id).filter((node) => node !== self)
  return others?.every((node) => peers.isHealthy(node) && peers.takesChunks(node)) === true ? others : undefined
}

/** What the tracker asks of volumes, of both kinds. */
export function usedByAll(
  strong: Pick<StrongVolumes, 'list' | 'referenced'>,
  eventual: Pick<EventualCluster, 'referenced'>,
): Pick<StrongVolumes, 'list' | 'referenced'> {
  return {
    list: () => strong.list(),
    async referenced(ids: readonly ChunkId[]) {
      const [known, others] = await Promise.all([strong.referenced(ids), eventual.referenced(ids)])
      const all = new Map(known)
      for (const [id, classes] of others) all.set(id, [...new Set([...(all.get(id) ?? []), ...classes])])
      return all
    },
  }
}
