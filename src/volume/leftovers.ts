import { isShoalError } from '#foundation/errors.ts'
import { ROOT_INODE } from '#foundation/ids.ts'
import { removeEntry } from '#metadata/entries.ts'
import { findEntry, findRoot } from '#metadata/inodes.ts'
import { entryKey, keyAfterPrefix, readEntryKey } from '#metadata/keys.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { listSessions } from '#metadata/mount-sessions.ts'
import type { VolumeView } from '#metadata/transaction.ts'
import { listVolumes } from '#metadata/volumes.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { HIDDEN_PREFIX, mountOfHidden } from './hidden-names.ts'

/** A machine that slept, or was cut off, finds the files that its programs have open, though their locks are long gone. */
const ABSENT_MS = 10 * 60_000
const INTERVAL_MS = 60_000
const FILES_PER_STEP = 200

export interface LeftoversOptions {
  readonly metadata: Metadata
  readonly clock: Clock
  readonly log: Log
}

/** Removes the hidden files of mounts that are gone: what was removed while their programs had it open. How long a mount hasn't had a
 *  session is known by heart, and begins anew with a restart. */
export class Leftovers {
  readonly #options: LeftoversOptions
  /** Since when mounts have had no session, by volume and mount. */
  #absent = new Map<string, number>()
  #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: LeftoversOptions) {
    this.#options = options
  }

  /** Not while it runs; it may have run before. */
  start(): void {
    this.#stop = new AbortController()
    this.#absent.clear()
    this.#running = this.#run(this.#stop.signal)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    while (!signal.aborted) {
      await clock.sleep(INTERVAL_MS, signal).catch(() => undefined)
      if (signal.aborted) return
      try {
        await this.#sweep(signal)
      } catch (error) {
        log.warn('What mounts have left behind could not be removed, it is tried again', { error })
      }
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { metadata, clock } = this.#options
    const nowMs = clock.monotonicMs()
    const absent = new Map<string, number>()
    for (const volume of await metadata.readSystem((snapshot) => [...listVolumes(snapshot)])) {
      const found = await metadata.read(volume, hiddenFiles).catch((error: unknown) => {
        if (!isShoalError(error, 'VOLUME_NOT_FOUND')) throw error
        return []
      })
      const gone: string[] = []
      for (const { name, mount } of found) {
        const key = `${volume.id}/${mount}`
        const sinceMs = this.#absent.get(key) ?? nowMs
        absent.set(key, sinceMs)
        if (nowMs - sinceMs >= ABSENT_MS) gone.push(name)
      }
      for (let at = 0; at < gone.length && !signal.aborted; at += FILES_PER_STEP)
        await this.#remove(volume, gone.slice(at, at + FILES_PER_STEP))
    }
    this.#absent = absent
  }

  async #remove(volume: VolumeHandle, names: readonly string[]): Promise<void> {
    const { metadata, log } = this.#options
    await metadata.transact(
      volume,
      '',
      (t) => {
        for (const name of names) {
          const target = findEntry(t, ROOT_INODE, { name, form: 'file' })
          if (target !== undefined) removeEntry(t, findRoot(t), { name, target })
        }
      },
      { frees: true },
    )
    log.info('Removed files were cleared away that a mount had left behind', { volume: volume.name, files: names.length })
  }
}

/** Those of mounts that have no session now. */
function hiddenFiles(view: VolumeView): { name: string; mount: string }[] {
  const start = entryKey(view.prefix, ROOT_INODE, HIDDEN_PREFIX, 'file')
  let mounts: Set<string> | undefined
  const found: { name: string; mount: string }[] = []
  for (const { key } of view.snapshot.range({ start, end: keyAfterPrefix(start) })) {
    const { name, form } = readEntryKey(key)
    const mount = mountOfHidden(name)
    if (mount === undefined || form === 'directory') continue
    mounts ??= new Set(listSessions(view).map((session) => session.mount))
    if (!mounts.has(mount)) found.push({ name, mount })
  }
  return found
}
