import type { AppendFile } from '#platform/append-files.ts'
import { DataCache, type DataCacheOptions } from './data-cache.ts'

const TRY_MS = 50
/** A mount that was just ended writes down what it fetched last. */
const TRIES_MAX = 40

export interface OpenCache {
  readonly cache: DataCache
  /** Once, when nothing is kept any more. */
  close(): void
}

/** Opens the cache of a folder, if no other process uses it: two would each take room and contents for their own that the other one changes. */
export async function openCache(options: DataCacheOptions): Promise<OpenCache | undefined> {
  const { files, folder, clock, log } = options
  let lock: AppendFile
  try {
    lock = files.open(`${folder}/lock`)
  } catch {
    // What is there can be read on a disk that takes nothing any more.
    return { cache: new DataCache(options), close: () => undefined }
  }
  for (let tries = 1; !lock.tryLock(); tries += 1) {
    if (tries === TRIES_MAX) {
      lock.close()
      log.warn('The cache is in use by an earlier mount of the directory: nothing is cached on the disk', { folder })
      return undefined
    }
    await clock.sleep(TRY_MS)
  }
  return { cache: new DataCache(options), close: () => lock.close() }
}
