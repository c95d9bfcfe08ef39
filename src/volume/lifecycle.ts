// Lets go of what the lifecycle rules of buckets say: looks through every bucket that has rules, a page at a time, and removes
// in small transactions, each of which judges again. It starts anew in each round; to be cut short harms nothing.

import { isShoalError } from '#foundation/errors.ts'
import { keyOfPath } from '#foundation/object-key.ts'
import { type LifecycleRule, readSettings } from '#metadata/bucket-settings.ts'
import { volumePrefix } from '#metadata/keys.ts'
import { type KeyVersion, letGo, tagsOfRecord, versionsOfKey } from '#metadata/lifecycle-step.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { listVersions } from '#metadata/object-listing.ts'
import { decodeKey, encodeKey, type KeyBytes } from '#metadata/object-walk.ts'
import { VolumeView } from '#metadata/transaction.ts'
import { abortUpload, listUploads } from '#metadata/uploads.ts'
import { listVolumes, type VolumeRecord } from '#metadata/volumes.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { type AgingVersion, dueActions, isAbandoned, type LifecycleTime } from './lifecycle-rules.ts'
import { type Pins, uploadPin } from './pins.ts'

/** Rows that one read looks at. */
const ROWS_PER_READ = 1_000
/** Keys, and removals of one key, in one transaction. */
const KEYS_PER_STEP = 64
const REMOVALS_PER_KEY = 256
/** Between two steps: what is to go has time, and others come first. */
const PAUSE_MS = 20

export interface LifecycleOptions {
  readonly metadata: Metadata
  readonly pins: Pins
  readonly clock: Clock
  readonly log: Log
  /** How often all buckets are looked through. */
  readonly intervalMs: number
  /** How long a day of a rule is. */
  readonly dayMs: number
}

export interface LifecycleResult {
  /** Objects expired and versions or delete markers removed. */
  readonly removed: number
  readonly uploads: number
}

interface Bucket {
  readonly volume: VolumeRecord
  readonly rules: readonly LifecycleRule[]
}

export class Lifecycle {
  readonly #options: LifecycleOptions
  #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: LifecycleOptions) {
    this.#options = options
  }

  /** Not while it runs; it may have run before. */
  start(): void {
    this.#stop = new AbortController()
    this.#running = this.#run()
  }

  /** Waits for the step that is under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, intervalMs, log } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await clock.sleep(intervalMs, signal)
        const { removed, uploads } = await this.apply(PAUSE_MS)
        if (removed > 0 || uploads > 0) log.info('lifecycle rules have removed something', { removed, uploads })
      } catch (error) {
        if (isShoalError(error, 'CANCELLED')) return
        log.warn('applying lifecycle rules failed, it is tried again', { error })
      }
    }
  }

  /** One round through all buckets, `pauseMs` between its steps. */
  async apply(pauseMs = 0): Promise<LifecycleResult> {
    const { clock } = this.#options
    let removed = 0
    let uploads = 0
    const rest = () => (pauseMs > 0 ? clock.sleep(pauseMs, this.#stop.signal) : undefined)
    for (const bucket of await this.#bucketsWithRules()) {
      for await (const count of this.#steps(bucket)) {
        if (this.#stop.signal.aborted) return { removed, uploads }
        removed += count
        await rest()
      }
      uploads += await this.#abortUploads(bucket)
    }
    return { removed, uploads }
  }

  #bucketsWithRules(): Promise<Bucket[]> {
    return this.#options.metadata.readSystem((snapshot) => {
      const found: Bucket[] = []
      for (const volume of listVolumes(snapshot)) {
        const { lifecycle = [] } = readSettings(snapshot, volumePrefix(volume.tenant, volume.id))
        const rules = lifecycle.filter(({ isEnabled }) => isEnabled)
        if (rules.length > 0) found.push({ volume, rules })
      }
      return found
    })
  }

  #time(): LifecycleTime {
    return { nowMs: this.#options.clock.nowMs(), dayMs: this.#options.dayMs }
  }

  /** Gives how many were removed, step by step. */
  async *#steps(bucket: Bucket): AsyncGenerator<number> {
    const { volume, rules } = bucket
    let after: string | undefined
    for (let isTruncated = true; isTruncated;) {
      const page = await this.#readPage(bucket, after)
      isTruncated = page.isTruncated && page.last !== undefined
      after = page.last
      for (let at = 0; at < page.due.length; at += KEYS_PER_STEP) {
        const keys = page.due.slice(at, at + KEYS_PER_STEP)
        try {
          yield await this.#options.metadata.transact(
            volume,
            volume.owner,
            (t) => keys.reduce((sum, key) => sum + applyToKey(t, key, { rules, time: this.#time() }), 0),
            { frees: true },
          )
        } catch (error) {
          if (isShoalError(error, 'VOLUME_NOT_FOUND')) return
          throw error
        }
      }
      yield 0
    }
  }

  /** The keys of a page for which something is due. */
  #readPage({ volume, rules }: Bucket, after: string | undefined) {
    const { metadata } = this.#options
    const prefix = commonPrefix(rules.map(({ filter }) => encodeKey(filter.prefix ?? '')))
    return metadata.readSystem((snapshot) => {
      const view = new VolumeView(snapshot, volumePrefix(volume.tenant, volume.id))
      const request = { prefix, delimiter: '', after, limit: ROWS_PER_READ, stepsMax: ROWS_PER_READ }
      const { items, isTruncated } = listVersions(view, request)
      const due: string[] = []
      let last: string | undefined
      for (const item of items) {
        if (!('key' in item) || item.key === last) continue
        last = item.key
        const key = decodeKey(item.key)
        if (dueActions(key, versionsOfKey(view, key).map(toAging), rules, this.#time()).length > 0) due.push(key)
      }
      return { due, last, isTruncated }
    })
  }

  async #abortUploads({ volume, rules }: Bucket): Promise<number> {
    const { metadata, pins } = this.#options
    if (rules.every(({ abortUploadsDays }) => abortUploadsDays === undefined)) return 0
    const abandoned = await metadata.readSystem((snapshot) => {
      const view = new VolumeView(snapshot, volumePrefix(volume.tenant, volume.id))
      const time = this.#time()
      return [...listUploads(view)].filter(
        ({ session: { object, path, startedNs } }) =>
          object !== undefined && isAbandoned(keyOfPath(path), Number(startedNs / 1_000_000n), rules, time),
      )
    })
    let aborted = 0
    for (const { id, session } of abandoned) {
      if (pins.has(uploadPin(id))) continue
      try {
        await metadata.transact(volume, session.principal, (t) => abortUpload(t, id), { frees: true })
        aborted += 1
      } catch (error) {
        // Others were quicker to end it, or to remove the volume.
        if (!isShoalError(error, 'UPLOAD_NOT_FOUND') && !isShoalError(error, 'VOLUME_NOT_FOUND')) throw error
      }
    }
    return aborted
  }
}

/** Judges once more, as it is now, and removes. What became due by that (a delete marker that nothing is behind any more)
 *  goes in the same step. */
function applyToKey(
  t: Parameters<typeof letGo>[0],
  key: string,
  { rules, time }: { readonly rules: readonly LifecycleRule[]; readonly time: LifecycleTime },
): number {
  let removed = 0
  for (let isDone = false; !isDone && removed < REMOVALS_PER_KEY;) {
    const versions = versionsOfKey(t, key)
    isDone = true
    for (const action of dueActions(key, versions.map(toAging), rules, time)) {
      const version = action.kind === 'expire' ? 'current' : versions.find(({ name }) => name === action.name)
      if (version === undefined || removed >= REMOVALS_PER_KEY || !letGo(t, key, version)) continue
      removed += 1
      isDone = false
    }
  }
  return removed
}

function toAging({ name, createdMs, record }: KeyVersion): AgingVersion<KeyVersion['name']> {
  if (record === undefined) return { name, createdMs, object: undefined }
  const { sizeBytes } = record
  return {
    name,
    createdMs,
    object: {
      sizeBytes,
      get tags() {
        return tagsOfRecord(record)
      },
    },
  }
}

/** What all of them begin with, in bytes: to cut text could leave half a character. */
function commonPrefix(prefixes: readonly KeyBytes[]): KeyBytes {
  let common = prefixes[0] ?? ''
  for (const prefix of prefixes) while (!prefix.startsWith(common)) common = common.slice(0, -1)
  return common
}
