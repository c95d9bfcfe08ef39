import { SETTINGS } from '#config/settings.ts'
import { ShoalError } from '#foundation/errors.ts'
import { silentLog } from '#observe/log.ts'
import type { Log } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { SystemRecords } from '#system/system-records.ts'
import type { FsckEvent } from '#volume/fsck.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import { assembleVolumes } from './node-volumes.ts'
import type { VolumeSettings } from './node-volumes.ts'
import { openStorage } from './open-storage.ts'
import type { Storage } from './open-storage.ts'

/** The volumes of a node that doesn't run: no doors, no background work. */
export interface OfflineNode {
  readonly dataPath: string
  readonly nodeId: string
  readonly volumes: StrongVolumes
  close(): Promise<void>
}

const DEFAULT_SETTINGS: VolumeSettings = {
  changes: { ringEntries: SETTINGS['changes.ringEntries'].fallback },
  uploads: { expiryMs: SETTINGS['uploads.expiryMs'].fallback },
  gc: {
    graceMs: SETTINGS['gc.graceMs'].fallback,
    intervalMs: SETTINGS['gc.intervalMs'].fallback,
    sweepIntervalMs: SETTINGS['gc.sweepIntervalMs'].fallback,
  },
  limits: { writeBufferBytes: SETTINGS['limits.writeBufferBytes'].fallback },
}

/** Opens the data folder of a stopped node. @throws DATA_IN_USE while a node runs; NOT_FOUND if there is no data folder:
 *  none is made; UNSUPPORTED if its chunks lie on other nodes too; UNSUPPORTED for a node whose metadata is a cluster's; DATA_FORMAT, STORAGE_FAILED */
export async function openOffline(
  dataPath: string,
  options: { readonly settings?: VolumeSettings; readonly log?: Log; readonly version?: string } = {},
): Promise<OfflineNode> {
  const { settings = DEFAULT_SETTINGS, log = silentLog, version = 'offline' } = options
  if ((await nodeFiles.facts(`${dataPath}/format.json`)) === undefined) {
    throw new ShoalError('NOT_FOUND', `There is no data folder of Shoal at "${dataPath}"`)
  }
  const shared = { clock: nodeClock, random: nodeRandom, log }
  const storage = await openStorage(dataPath, { ...shared, files: nodeFiles, version })
  try {
    await requireOwnChunks(storage)
  } catch (error) {
    await storage.close()
    throw error
  }
  if (storage.mode.kind !== 'home') {
    await storage.close()
    throw new ShoalError(
      'UNSUPPORTED',
      `The metadata in "${dataPath}" is the copy of a cluster's, and means nothing without the others: start the node, and ask it`,
    )
  }
  const volumes = assembleVolumes(storage, settings, shared)
  return {
    dataPath: storage.folder.path,
    nodeId: storage.folder.nodeId,
    volumes,
    async close() {
      await volumes.close()
      await storage.close()
    },
  }
}

/** @throws UNSUPPORTED if chunks may lie on other nodes: here they would look as if they were lost */
async function requireOwnChunks({ kv, folder, mode }: Storage): Promise<void> {
  if (mode.kind === 'home') {
    const { view } = await SystemRecords.open(kv)
    const pairs = [...view.layouts.values()].flatMap(({ next, previous }) => [
      next,
      ...(previous === undefined ? [] : [previous]),
    ])
    if (pairs.every(({ nodes }) => nodes.every(({ id }) => id === folder.nodeId))) return
  }
  throw new ShoalError(
    'UNSUPPORTED',
    'The chunks of this cluster lie on several nodes, so one that is stopped can not be checked by itself: start it, and run "shoal fsck" without --data',
  )
}

/** The lines of `POST /fsck` for the data folder of a stopped node. @throws what `openOffline` throws, with the first line */
export async function* fsckOffline(options: {
  readonly data: string
  readonly repair: boolean
  readonly verify: boolean
  readonly signal?: AbortSignal
}): AsyncGenerator<FsckEvent, void, undefined> {
  const { data, repair, verify, signal = new AbortController().signal } = options
  const node = await openOffline(data)
  try {
    yield* node.volumes.fsck({ repair, verify, signal })
  } finally {
    await node.close()
  }
}
