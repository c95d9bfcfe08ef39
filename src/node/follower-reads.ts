import type { ChunkStore } from '#chunk/store.ts'
import { FollowedCopy } from '#kv/followed-copy.ts'
import type { ReplicatedStore } from '#kv/replicated.ts'
import type { Log } from '#observe/log.ts'
import type { Counter, Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import type { ContentKeys } from '#volume/content-cipher.ts'
import { READ_BUFFER_BYTES } from '#volume/content-reader.ts'
import { ReadBuffers } from '#volume/read-buffers.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import type { ChunkCluster } from './chunk-cluster.ts'
import type { ClusterMetadata } from './cluster-metadata.ts'
import type { FollowedAccess } from './followed-access.ts'
import { assembleVolumes } from './node-volumes.ts'
import type { VolumeSettings } from './node-volumes.ts'
import { withheldChunks } from './withheld-chunks.ts'

/** How old what a stale read shows may be: longer than it takes to elect another leader, nearly always (3 s), so that such reads go on
 *  meanwhile. */
export const STALE_MS_MAX = 10_000
/** Of some 2 MiB each, kept for good: those of three readers. */
const READ_BUFFERS_KEPT = 9

export interface FollowerReadsOptions {
  readonly config: VolumeSettings
  /** This node's copy of the metadata. */
  readonly store: Pick<ReplicatedStore, 'stale' | 'isConfirmed' | 'confirm' | 'position'>
  readonly access: FollowedAccess
  readonly chunks: {
    readonly chunks: Pick<ChunkCluster['chunks'], 'all' | 'isSpread'>
    readonly classes: ChunkCluster['classes']
  }
  readonly nodeId: string
  readonly contentKeys?: ContentKeys
  readonly ports: { readonly clock: Clock; readonly random: Random; readonly log: Log; readonly metrics: Metrics }
}

/** What a node that doesn't lead the strong volumes can read of them: its own copy of the metadata, and the chunks of all nodes. */
export class FollowerReads {
  readonly access: FollowedAccess
  readonly volumes: StrongVolumes
  readonly #options: FollowerReadsOptions
  readonly #counter: Counter
  #openedAt: number | undefined

  constructor(options: FollowerReadsOptions) {
    const { config, store, access, chunks, nodeId, contentKeys, ports } = options
    this.#options = options
    this.access = access
    const all = readOnly(chunks.chunks.all)
    const { classes } = chunks
    this.volumes = assembleVolumes({ kv: new FollowedCopy(store.stale), chunks: all, folder: { nodeId } }, config, {
      ...ports,
      ...(contentKeys === undefined ? {} : { contentKeys }),
      cluster: {
        chunks: { all, isSpread: true },
        classes: { has: (name) => classes.has(name), chunksOf: (name) => readOnly(classes.chunksOf(name)) },
      },
      copiesTables: true,
      readBuffers: new ReadBuffers(nodeDigests, { sizeBytes: READ_BUFFER_BYTES, keptMax: READ_BUFFERS_KEPT }),
    })
    this.#counter = ports.metrics.counter({
      name: 'shoal_follower_reads_total',
      help: 'Reads that came to this node while it did not lead: answered by itself, or sent on to the leader',
      labels: ['answer'],
    })
  }

  /** True when `isReady` is, of any read, and it is known without asking anybody. */
  isReadyNow(): boolean {
    const { store, access } = this.#options
    if (!store.isConfirmed || !access.keys.isCurrent) return false
    this.#forgetOlder()
    return true
  }

  /** Resolves with true when what is here is all that was acknowledged before the call, or, for a stale read, `STALE_MS_MAX` before it. With
   *  false nobody can say that: somebody else has to answer. */
  async isReady({ isStale }: { readonly isStale: boolean }): Promise<boolean> {
    const { store, access, ports } = this.#options
    const { keys } = access
    try {
      await store.confirm(isStale ? STALE_MS_MAX : 0)
    } catch (error) {
      ports.log.debug('nobody says whether the copy of the metadata is up to date: reads are sent on', { error })
      return false
    }
    if (!keys.isCurrent) await keys.read()
    if (!keys.isCurrent) return false
    this.#forgetOlder()
    return true
  }

  /** What counts as opened is older than the copy. */
  #forgetOlder(): void {
    const { position } = this.#options.store
    if (position !== this.#openedAt) this.volumes.forgetOpened()
    this.#openedAt = position
  }

  count(answer: 'linearizable' | 'stale' | 'sent-on'): void {
    this.#counter.add(1, { answer })
  }
}

/** Of a node; `undefined` where it has no copy of the metadata. */
export function followerOf({
  metadata,
  access: { followed },
  storage,
  ...parts
}: Pick<FollowerReadsOptions, 'config' | 'chunks' | 'contentKeys' | 'ports'> & {
  readonly metadata: Pick<ClusterMetadata, 'store'> | undefined
  readonly access: { readonly followed: FollowedAccess | undefined }
  readonly storage: { readonly folder: { readonly nodeId: string } }
}): FollowerReads | undefined {
  if (metadata === undefined || followed === undefined) return undefined
  return new FollowerReads({ ...parts, store: metadata.store, access: followed, nodeId: storage.folder.nodeId })
}

/** What can't be read here is left to the node that leads. */
function readOnly(chunks: Pick<ChunkStore, 'read'>): ChunkStore {
  return withheldChunks({ read: (...args) => chunks.read(...args), releaseFiles: async () => {} })
}
