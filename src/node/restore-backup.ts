import { hash } from 'node:crypto'
import { dirname } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import type { KeyValue } from '#kv/store.ts'
import { silentLog } from '#observe/log.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { isClassRow, SYSTEM_ROWS } from '#system/system-rows.ts'
import { TRACKER_ROWS } from '#tracker/kv-task-store.ts'
import { usedChunk } from '#volume/used-chunk.ts'
import { BackupFolder } from './backup-folder.ts'
import { openBackup } from './backup-stream.ts'
import type { OpenedBackup } from './backup-stream.ts'
import { keepSecrets } from './bootstrap.ts'
import { openStorage } from './open-storage.ts'
import type { Storage } from './open-storage.ts'

export interface RestoreOptions {
  readonly folder: string
  /** The newest unless given. */
  readonly moment?: string | undefined
  /** Must not be there yet. */
  readonly dataPath: string
  readonly version: string
  readonly signal: AbortSignal
}

export interface RestoredBackup {
  readonly moment: string
  readonly dataPath: string
  readonly chunks: number
  readonly bytes: number
}

/** Makes the data folder of a node that is a cluster of its own, with everything of one moment: volumes, keys, classes; without what was
 *  known of the nodes of then. It grows beside its place, and is moved there when it is whole: after it was cut off, the same call goes on.
 *  @throws NOT_FOUND, CONFLICT if something is at `dataPath`, CORRUPT, CHUNK_MISSING, NO_SPACE, STORAGE_FAILED */
export async function restoreBackup(options: RestoreOptions): Promise<RestoredBackup> {
  const { dataPath, version, signal } = options
  const files = nodeFiles
  const place = new BackupFolder(options.folder, files)
  const moment = options.moment ?? (await place.newest())
  const backup = await openBackup(files, place.momentPath(moment))
  if ((await files.facts(dataPath)) !== undefined)
    throw new ShoalError('CONFLICT', `"${dataPath}" is there already: name a folder that isn't`)
  const growing = `${dataPath}.restoring-${moment}`
  const ports = { files, clock: nodeClock, random: nodeRandom, log: silentLog, version }
  const storage = await openStorage(growing, ports)
  let written = { chunks: 0, bytes: 0 }
  try {
    await keepSecrets(growing, backup.header, files)
    written = await putChunks(backup, { storage, place, files, signal })
    await putRows(backup, { storage, signal })
  } finally {
    await storage.close()
  }
  try {
    await files.rename(growing, dataPath)
    await files.syncFolder(dirname(dataPath))
  } catch (cause) {
    throw storageError(cause, `move "${growing}" to "${dataPath}"`)
  }
  return { moment, dataPath, ...written }
}

async function putChunks(
  backup: OpenedBackup,
  { storage, place, files, signal }: { storage: Storage; place: BackupFolder; files: Files; signal: AbortSignal },
): Promise<{ chunks: number; bytes: number }> {
  let [chunks, bytes] = [0, 0]
  for await (const page of backup.rows()) {
    for (const row of page) {
      const id = usedChunk(row)
      if (id === undefined) continue
      signal.throwIfAborted()
      const known = await storage.chunks.locate(id)
      chunks += 1
      bytes += known?.sizeBytes ?? 0
      if (known !== undefined) continue
      const path = place.chunkPath(id)
      const content = await files.read(path).catch((cause: unknown) => {
        throw storageError(cause, `read "${path}"`)
      })
      if (content === undefined) throw new ShoalError('CHUNK_MISSING', `The backup lacks a chunk: there is no "${path}"`)
      if (hash('sha256', content) !== id) throw new ShoalError('CORRUPT', `"${path}" is damaged: its name is not its SHA-256`)
      await storage.chunks.write(id, content)
      bytes += content.length
    }
  }
  return { chunks, bytes }
}

async function putRows(backup: OpenedBackup, { storage, signal }: { storage: Storage; signal: AbortSignal }): Promise<void> {
  for await (const page of backup.rows()) {
    signal.throwIfAborted()
    const rows = page.filter(isOfAnyCluster)
    await storage.kv.transact((tx) => {
      for (const { key, value } of rows) tx.put(key, value)
    })
  }
}

/** Whether a row is about more than the nodes of the cluster that the backup is of. */
function isOfAnyCluster({ key }: KeyValue): boolean {
  const isIn = ({ start, end }: { start: Buffer; end: Buffer }): boolean =>
    Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0
  return isIn(SYSTEM_ROWS) ? isClassRow(key) : !isIn(TRACKER_ROWS)
}
