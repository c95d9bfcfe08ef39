// Background work on one node: lets go of what was discarded, forgets chunks that nothing uses, ends expired uploads, and
// finds chunks that no row knows. Each step is small; between steps others get their turn.

import type { ChunkInfo, ChunkStore } from '#chunk/store.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { type ChunkGarbage, collectContentsStep, listGarbageChunks, strikeGarbageChunks } from '#metadata/collector.ts'
import { volumePrefix } from '#metadata/keys.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { findReference } from '#metadata/references.ts'
import { VolumeView } from '#metadata/transaction.ts'
import { abortUpload, listUploads } from '#metadata/uploads.ts'
import { listVolumes } from '#metadata/volumes.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { reapExpiredLocks } from './locks.ts'
import { contentPin, type Pins, uploadPin } from './pins.ts'
import { RememberedSweep } from './remembered-sweep.ts'

/** Chunks forgotten between two transactions. */
const CHUNKS_PER_STEP = 256
/** Chunks looked at without a turn for others. */
const CHUNKS_PER_TURN = 1_000

export interface MaintenanceOptions {
  readonly metadata: Metadata
  readonly chunks: ChunkStore
  readonly pins: Pins
  /** Whether something else than the metadata has use for a chunk. */
  readonly isUsedElsewhere?: ((id: ChunkId) => Promise<boolean>) | undefined
  /** Let go of memory that nobody has used for a while. */
  readonly buffers: readonly { trim(): void }[]
  readonly clock: Clock
  readonly log: Log
  /** How long something stays after nothing uses it any more. */
  readonly graceMs: number
  readonly intervalMs: number
  /** How often the whole chunk store is compared with the references. */
  readonly sweepIntervalMs: number
  /** Whether that is anybody else's work at the moment; nobody else's unless given. */
  readonly isSweptByOthers?: (() => boolean) | undefined
}

export interface CollectResult {
  readonly chunks: number
  readonly uploads: number
}

export class Maintenance {
  readonly #options: MaintenanceOptions
  readonly #remembered: RememberedSweep
  #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: MaintenanceOptions) {
    this.#options = options
    this.#remembered = new RememberedSweep(options)
  }

  /** Not while it runs; it may have run before. */
  start(): void {
    this.#stop = new AbortController()
    this.#remembered.restart()
    this.#running = this.#run()
  }

  /** Waits for the step that is under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, intervalMs, sweepIntervalMs, log } = this.#options
    let sweptAtMs = clock.monotonicMs()
    while (!this.#stop.signal.aborted) {
      try {
        await clock.sleep(intervalMs, this.#stop.signal)
        await this.collect()
        for (const buffers of this.#options.buffers) buffers.trim()
        const isOthers = this.#options.isSweptByOthers?.() ?? false
        if (!isOthers && clock.monotonicMs() - sweptAtMs >= sweepIntervalMs) {
          await this.sweep()
          sweptAtMs = clock.monotonicMs()
        }
      } catch (error) {
        if (isShoalError(error, 'CANCELLED')) return
        log.warn('collecting garbage failed, it is tried again', { error })
      }
    }
  }

  /** One whole round. */
  async collect(): Promise<CollectResult> {
    const uploads = await this.#reapUploads()
    await reapExpiredLocks(this.#options.metadata)
    await this.#remembered.sweep(this.#stop.signal)
    const { metadata, clock, pins, graceMs } = this.#options
    const isOpen = (prefix: Buffer, what: Buffer) => what.length === 8 && pins.has(contentPin(prefix, what))
    for (let more = true; more && !this.#stop.signal.aborted;) {
      const nowMs = clock.nowMs()
      more = await metadata.transactSystem((tx) => collectContentsStep(tx, { beforeMs: nowMs - graceMs, nowMs, isOpen }), {
        frees: true,
      })
    }
    return { uploads, chunks: await this.#forgetChunks() }
  }

  async #reapUploads(): Promise<number> {
    const { metadata, clock, pins, log } = this.#options
    const nowNs = clock.nowNs()
    const volumes = await metadata.readSystem((snapshot) => [...listVolumes(snapshot)])
    let reaped = 0
    for (const volume of volumes) {
      const handle: VolumeHandle = volume
      const expired = await metadata.readSystem((snapshot) => {
        const view = new VolumeView(snapshot, volumePrefix(volume.tenant, volume.id))
        return [...listUploads(view)].filter(({ session }) => session.expiresNs <= nowNs)
      })
      for (const { id, session } of expired) {
        if (pins.has(uploadPin(id))) continue
        try {
          await metadata.transact(handle, session.principal, (t) => abortUpload(t, id), { frees: true })
        } catch (error) {
          // Others were quicker to end it, or to remove the volume.
          if (isShoalError(error, 'UPLOAD_NOT_FOUND') || isShoalError(error, 'VOLUME_NOT_FOUND')) continue
          throw error
        }
        log.info('an upload has expired', { volume: volume.name, upload: id })
        reaped += 1
      }
    }
    return reaped
  }

  async #forgetChunks(): Promise<number> {
    const { metadata, pins, clock, graceMs } = this.#options
    const beforeMs = clock.nowMs() - graceMs
    let forgotten = 0
    for (let kept = 0; !this.#stop.signal.aborted;) {
      const listed = await metadata.readSystem((snapshot) =>
        listGarbageChunks(snapshot, { beforeMs, limit: CHUNKS_PER_STEP + kept }),
      )
      const todo = listed.slice(kept)
      if (todo.length === 0) break
      const gone: ChunkGarbage[] = []
      for (const garbage of todo) {
        // No turn of the event loop lies between the look at the pins and the store's own check.
        if (pins.has(garbage.chunk)) continue
        if (garbage.isUsed || (await this.#forget(garbage, beforeMs))) gone.push(garbage)
      }
      await metadata.transactSystem((tx) => strikeGarbageChunks(tx, gone), { frees: true })
      forgotten += gone.length
      kept += todo.length - gone.length
      if (kept > CHUNKS_PER_STEP * 16) break
    }
    return forgotten
  }

  /** True if the chunk is no longer in the store. */
  async #forget({ chunk }: ChunkGarbage, beforeMs: number): Promise<boolean> {
    const { chunks } = this.#options
    try {
      if (await chunks.forget(chunk, { untouchedSinceMs: beforeMs })) return true
      return (await chunks.locate(chunk)) === undefined
    } catch (error) {
      // A node that may have it can't be asked now; others can be collected all the same.
      if (isShoalError(error, 'UNAVAILABLE')) return false
      throw error
    }
  }

  /** Chunks that no row refers to and that nobody has touched for the grace: what a crash left between the chunk and its
   *  commit. Each is forgotten if `forget` is set and it still is so. */
  async *orphans({ forget }: { forget: boolean }): AsyncGenerator<ChunkInfo & { readonly forgotten: boolean }> {
    const { metadata, chunks, pins, clock, graceMs, isUsedElsewhere } = this.#options
    const beforeMs = clock.nowMs() - graceMs
    let listed = 0
    for await (const chunk of chunks.list()) {
      const { id, touchedAtMs } = chunk
      if (this.#stop.signal.aborted) break
      listed += 1
      if (listed % CHUNKS_PER_TURN === 0) await new Promise<void>((resolve) => void setImmediate(resolve))
      if (touchedAtMs >= beforeMs || pins.has(id)) continue
      const isKnown = await metadata.readSystem((snapshot) => findReference(snapshot, id) !== undefined)
      if (isKnown || pins.has(id) || (await isUsedElsewhere?.(id)) === true) continue
      yield { ...chunk, forgotten: forget && (await chunks.forget(id, { untouchedSinceMs: beforeMs })) }
    }
  }

  /** Those of the chunks that a row refers to, with the classes of the volumes that use them or did; and those that somebody is about to
   *  use, of classes that aren't known yet if nothing uses them. */
  referenced(ids: readonly ChunkId[]): Promise<ReadonlyMap<ChunkId, readonly string[]>> {
    const { metadata, pins } = this.#options
    return metadata.readSystem((snapshot) => {
      const found = new Map<ChunkId, readonly string[]>()
      for (const id of ids) {
        const reference = findReference(snapshot, id)
        if (reference !== undefined || pins.has(id)) found.set(id, reference?.classes ?? [])
      }
      return found
    })
  }

  /** Forgets chunks that no row refers to. */
  async sweep(): Promise<number> {
    const { log } = this.#options
    let forgotten = 0
    for await (const orphan of this.orphans({ forget: true })) if (orphan.forgotten) forgotten += 1
    if (forgotten > 0) log.info('chunks that nothing refers to were removed', { chunks: forgotten })
    return forgotten
  }
}
