import { join } from 'node:path'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import { LoneEtcd } from '#etcd/lone-etcd.ts'
import { drainLmdbJournal, openLmdbBase } from '#kv/lmdb.ts'
import { detachReplica, readReplica } from '#kv/replica-row.ts'
import type { ReplicaRow } from '#kv/replica-row.ts'
import { ReplicatedStore } from '#kv/replicated.ts'
import { openDataFolder } from '#platform/data-folder.ts'
import { storageError } from '#platform/files.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { NodeProcesses } from '#platform/node-processes.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { EtcdLog } from '#sharedlog/etcd.ts'
import { readKnownNodes } from './known-nodes.ts'
import { publishMetadataMode, readMetadataMode } from './metadata-mode.ts'
import type { MetadataMode } from './metadata-mode.ts'

const files = nodeFiles
const CATCH_UP_MS_MAX = 300_000
const RETRY_MS = 200
/** etcd's port for clients lies behind the one for nodes. */
const CLIENT_PORT_OFFSET = 2

export interface RecoverOptions {
  /** Of a stopped node. */
  readonly dataPath: string
  /** `look` changes nothing but that this copy gets what the etcd here has beyond it; `lead` makes this copy the cluster's metadata; `follow`
   *  puts it aside, for one that another node has made that. */
  readonly how: 'look' | 'lead' | 'follow'
  readonly version: string
}

export interface CopyOfMetadata {
  readonly nodeId: NodeId
  /** Tells logs from each other. */
  readonly log: string
  /** Up to which entry of the log it has everything. */
  readonly entry: number
  /** What was put aside, to be removed by hand. */
  readonly aside: readonly string[]
}

/** What is done when the etcd of a cluster has lost its majority for good. Each step can be repeated when it was cut off.
 *  @throws DATA_IN_USE while the node runs; NOT_FOUND; UNSUPPORTED if the metadata is not agreed on by an etcd that the nodes run; CONFLICT
 *  if there is no whole copy here; UNAVAILABLE if what etcd has kept can't be read; DATA_FORMAT, NO_SPACE, STORAGE_FAILED */
export async function recoverCluster({ dataPath, how, version }: RecoverOptions): Promise<CopyOfMetadata> {
  if ((await files.facts(join(dataPath, 'format.json'))) === undefined)
    throw new ShoalError('NOT_FOUND', `There is no data folder of Shoal at "${dataPath}"`)
  const folder = await openDataFolder(dataPath, { files, random: nodeRandom, version })
  try {
    const mode = await readMetadataMode(files, folder.path)
    if (mode.kind !== 'managed')
      throw new ShoalError(
        'UNSUPPORTED',
        `The metadata in "${folder.path}" is not agreed on by an etcd that the nodes run themselves: there is nothing to be recovered here`,
      )
    if (how === 'follow') return { ...(await asItIs(folder)), aside: await makeFollowing(folder, mode) }
    const copy = await upToDate(folder)
    return { ...copy, aside: how === 'lead' ? await makeLeading(folder.path) : [] }
  } finally {
    await folder.close()
  }
}

type Folder = Awaited<ReturnType<typeof openDataFolder>>

/** This node's copy, with what its etcd has beyond it. */
async function upToDate({ path, nodeId, clusterId }: Folder): Promise<Omit<CopyOfMetadata, 'aside'>> {
  const before = await readCopy(path)
  const hasEtcd = ((await files.list(join(path, 'etcd', 'member', 'wal'))) ?? []).length > 0
  if (hasEtcd && before !== undefined) await takeTail({ path, nodeId, clusterId })
  return describeCopy(nodeId, await readCopy(path))
}

/** What is put aside may be of no use any more, or be aside already. */
async function asItIs({ path, nodeId }: Folder): Promise<Omit<CopyOfMetadata, 'aside'>> {
  const isThere = (await files.facts(join(path, 'meta'))) !== undefined
  const copy = isThere
    ? await readCopy(path).catch((error: unknown) => {
        if (isShoalError(error, 'CONFLICT')) return undefined
        throw error
      })
    : undefined
  return describeCopy(nodeId, copy)
}

function describeCopy(nodeId: NodeId, copy: ReplicaRow | undefined): Omit<CopyOfMetadata, 'aside'> {
  return { nodeId, log: copy?.stateId.toString('hex') ?? 'none', entry: copy?.applied ?? 0 }
}

async function readCopy(path: string): ReturnType<typeof readReplica> {
  const meta = join(path, 'meta')
  await drainLmdbJournal(meta, { files })
  const base = await openLmdbBase(meta)
  try {
    return await readReplica(base)
  } finally {
    await base.close()
  }
}

/** Brings what a copy of this node's member of etcd has into the node's own copy. */
async function takeTail({ path, nodeId, clusterId }: Pick<Folder, 'path' | 'nodeId' | 'clusterId'>): Promise<void> {
  const [pair, authority] = [join(path, 'etcd-tls.pem'), join(path, 'etcd-ca.pem')]
  const [cert, ca] = [String((await files.read(pair)) ?? ''), String((await files.read(authority)) ?? '')]
  const connect = (endpoint: string): EtcdLog =>
    new EtcdLog({ endpoints: [endpoint], tls: { ca, cert, key: cert }, prefix: `shoal/${clusterId}/system/`, clock: nodeClock })
  const etcd = await LoneEtcd.start({
    memberPath: join(path, 'etcd'),
    copyPath: join(path, 'etcd-copy'),
    name: nodeId,
    tls: { certFile: pair, keyFile: pair, caFile: authority },
    isReady: async (endpoint) => {
      const log = connect(endpoint)
      return log
        .bounds()
        .then(
          () => true,
          () => false,
        )
        .finally(() => log.close())
    },
    ...{ files, processes: new NodeProcesses(), clock: nodeClock, random: nodeRandom },
  })
  const log = connect(etcd.endpoint)
  const base = await openLmdbBase(join(path, 'meta'))
  const store = new ReplicatedStore({ base, log, clock: nodeClock, random: nodeRandom })
  try {
    await caughtUp(store)
  } finally {
    await store.close()
    await log.close()
    await etcd.stop()
  }
}

async function caughtUp(store: ReplicatedStore): Promise<void> {
  for (const endMs = nodeClock.monotonicMs() + CATCH_UP_MS_MAX; ; await nodeClock.sleep(RETRY_MS)) {
    try {
      return await store.read(() => undefined)
    } catch (error) {
      // The copy has more than this member: that is as good.
      if (isShoalError(error, 'DATA_IN_USE')) return
      if (!isShoalError(error, 'UNAVAILABLE') || nodeClock.monotonicMs() > endMs) throw error
    }
  }
}

/** The next start founds a log that rests on this copy. */
async function makeLeading(path: string): Promise<string[]> {
  const base = await openLmdbBase(join(path, 'meta'))
  try {
    await detachReplica(base)
  } finally {
    await base.close()
  }
  const aside = await putAside(path, ['etcd'])
  await publishMetadataMode(files, path, { kind: 'managed', endpoints: [], isFounder: true })
  return aside
}

/** The next start fetches the metadata from the others, as a new node does. */
async function makeFollowing({ path }: Folder, mode: Extract<MetadataMode, { kind: 'managed' }>): Promise<string[]> {
  const known = (await readKnownNodes(path, files))?.nodes ?? []
  const urls = known.map(({ host, port }) => `https://${host.includes(':') ? `[${host}]` : host}:${port + CLIENT_PORT_OFFSET}`)
  const endpoints = [...new Set([...urls, ...mode.endpoints])]
  await publishMetadataMode(files, path, { kind: 'managed', endpoints, isFounder: false })
  return putAside(path, ['etcd', 'meta'])
}

async function putAside(path: string, names: readonly string[]): Promise<string[]> {
  const suffix = `before-${formatTimestamp(nodeClock.nowNs()).slice(0, 19).replaceAll(':', '-')}Z`
  const moved: string[] = []
  try {
    for (const name of names) {
      if ((await files.facts(join(path, name))) === undefined) continue
      const to = `${name}-${suffix}`
      await files.rename(join(path, name), join(path, to))
      moved.push(to)
    }
    await files.syncFolder(path)
  } catch (cause) {
    throw storageError(cause, `put the metadata in "${path}" aside`)
  }
  return moved
}
