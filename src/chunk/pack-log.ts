import { join } from 'node:path'
import { assert } from '#foundation/assert.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'
import { storageError } from '#platform/files.ts'
import {
  PACK_HEADER_BYTES,
  SALT_BYTES,
  encodePackHeader,
  encodeRecordPrefix,
  packName,
  recordBytes,
  recordPrefixBytes,
} from './pack-format.ts'
import type { Location, PackRecord } from './pack-format.ts'
import type { Pack, PackSet } from './pack-set.ts'
import type { StorageHealth } from './storage-health.ts'

/** What one flush takes at most: enough for the medium's full speed, and little enough that the first of a batch
 *  doesn't wait long for the last. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024
/** Payloads up to this size are copied beside their headers; longer ones go to the system where they are. */
const MAX_COPIED_BYTES = 16 * 1024
const PADDING = Buffer.alloc(8)

interface Append {
  readonly record: PackRecord
  readonly touchedAtMs: number
  readonly resolve: (location: Location) => void
  readonly reject: (error: Error) => void
}

export interface PackLogOptions {
  readonly folder: string
  readonly files: Files
  readonly random: Random
  readonly health: StorageHealth
  readonly set: PackSet
  /** A pack that has reached this size is sealed, and the next one begun. */
  readonly packBytes: number
  /** Told of each batch that is durable. */
  readonly onFlush?: (records: number, bytes: number) => void
}

/** Appends records to the newest pack and makes them durable in batches: while one batch is being flushed, the next one
 *  collects (group commit). The set of packs learns of a record once it is durable, in the order of the log. What waits
 *  here is what callers hold anyway, so that they are its limit. */
export class PackLog {
  readonly #options: PackLogOptions
  #queue: Append[] = []
  #running: Promise<void> | undefined
  #active: { readonly pack: Pack; readonly file: OpenFile } | undefined
  #lastNumber: number
  #staging = Buffer.allocUnsafeSlow(256 * 1024)

  /** `lastNumber`: the highest number that a pack has. */
  constructor(options: PackLogOptions, lastNumber: number) {
    this.#options = options
    this.#lastNumber = lastNumber
  }

  /** The pack that records are appended to; the others don't change any more. */
  get activeNumber(): number | undefined {
    return this.#active?.pack.number
  }

  /** The highest number that a pack has or had. */
  get lastNumber(): number {
    return this.#lastNumber
  }

  /** Goes on in a pack that is there. */
  resume(pack: Pack, file: OpenFile): void {
    assert(this.#active === undefined, 'the log has an active pack already')
    this.#active = { pack, file }
  }

  /** Durable, and known to the set, when the promise resolves. @throws NO_SPACE (nothing was appended), STORAGE_FAILED */
  append(record: PackRecord, touchedAtMs: number): Promise<Location> {
    return new Promise((resolve, reject) => {
      this.#options.health.check()
      this.#queue.push({ record, touchedAtMs, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  async close(): Promise<void> {
    await this.#running
    await this.#active?.file.close()
    this.#active = undefined
  }

  async #run(): Promise<void> {
    // One turn of the event loop's microtasks: appends of the same moment share the first batch.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch()
      try {
        await this.#commit(batch)
      } catch (error) {
        const refused = this.#options.health.failed ? [...batch, ...this.#queue.splice(0)] : batch
        for (const append of refused) append.reject(error as Error)
      }
    }
    this.#running = undefined
  }

  #takeBatch(): Append[] {
    let bytes = 0
    let count = 0
    for (const { record } of this.#queue) {
      bytes += recordBytes(record.payload?.length ?? 0)
      if (count > 0 && bytes > MAX_BATCH_BYTES) break
      count += 1
    }
    return this.#queue.splice(0, count)
  }

  async #commit(batch: readonly Append[]): Promise<void> {
    const { health, set, onFlush } = this.#options
    health.check()
    const { pack, file } = await this.#packWithRoom(
      batch.reduce((sum, { record }) => sum + recordBytes(record.payload?.length ?? 0), 0),
    )
    const { pieces, locations, end } = this.#encode(batch, pack)
    try {
      await file.write(pieces, pack.sizeBytes)
    } catch (cause) {
      const error = health.failWrite(cause, `append to pack ${pack.number}`)
      if (!health.failed) await this.#cutBack(file, pack)
      throw error
    }
    try {
      await file.datasync()
    } catch (cause) {
      throw health.failFlush(cause, `flush pack ${pack.number}`)
    }
    const bytes = end - pack.sizeBytes
    pack.sizeBytes = end
    onFlush?.(batch.length, bytes)
    for (const [index, { record, touchedAtMs, resolve }] of batch.entries()) {
      const location = locations[index] as Location
      set.apply({ id: record.id, lengthBytes: record.payload?.length ?? 0, kills: record.kills }, location, touchedAtMs)
      resolve(location)
    }
  }

  /** Headers and short payloads lie one after another in the staging buffer, so that a batch of small records is one
   *  piece. It is free again once the batch is written. */
  #encode(batch: readonly Append[], pack: Pack): { pieces: Uint8Array[]; locations: Location[]; end: number } {
    this.#makeStaging(batch)
    const pieces: Uint8Array[] = []
    const locations: Location[] = []
    let offset = pack.sizeBytes
    let from = 0
    let to = 0
    for (const { record } of batch) {
      const { payload } = record
      locations.push({ pack: pack.number, offset })
      to = encodeRecordPrefix(this.#staging, to, { ...record, salt: pack.salt, offset })
      const length = payload?.length ?? 0
      if (payload !== undefined && length <= MAX_COPIED_BYTES) {
        this.#staging.set(payload, to)
        to += length
      } else if (payload !== undefined) {
        pieces.push(this.#staging.subarray(from, to), payload)
        from = to
      }
      const padding = recordBytes(length) - recordPrefixBytes(length) - length
      this.#staging.set(PADDING.subarray(0, padding), to)
      to += padding
      offset += recordBytes(length)
    }
    if (to > from) pieces.push(this.#staging.subarray(from, to))
    return { pieces, locations, end: offset }
  }

  #makeStaging(batch: readonly Append[]): void {
    let needed = 0
    for (const { record } of batch) {
      const length = record.payload?.length ?? 0
      needed += recordPrefixBytes(length) + PADDING.length + (length <= MAX_COPIED_BYTES ? length : 0)
    }
    if (needed > this.#staging.length) this.#staging = Buffer.allocUnsafeSlow(needed)
  }

  async #packWithRoom(bytes: number): Promise<{ pack: Pack; file: OpenFile }> {
    const active = this.#active
    if (active !== undefined) {
      const { sizeBytes } = active.pack
      if (sizeBytes === PACK_HEADER_BYTES || sizeBytes + bytes <= this.#options.packBytes) return active
    }
    const number = this.#lastNumber + 1
    const { salt, file } = await this.#begin(number)
    // The set learns of the pack in the moment in which it becomes the active one: compaction must not take it for an
    // empty pack that nobody needs.
    const next = { pack: this.#options.set.add(number, salt), file }
    this.#lastNumber = number
    this.#active = next
    await active?.file.close()
    return next
  }

  async #begin(number: number): Promise<{ salt: Buffer; file: OpenFile }> {
    const { files, folder, health, random } = this.#options
    const path = join(folder, packName(number))
    const salt = random.bytes(SALT_BYTES)
    let file: OpenFile | undefined
    try {
      file = await files.open(path, 'create')
      await file.write([encodePackHeader({ number, salt })], 0)
      await file.datasync()
      await files.syncFolder(folder)
      return { salt, file }
    } catch (cause) {
      const error = health.failWrite(cause, `begin pack ${number}`)
      await file?.close().catch(() => undefined)
      if (!health.failed && file !== undefined) {
        await files.remove(path).catch((removal: unknown) => health.failWrite(removal, `remove the unfinished pack ${number}`))
      }
      throw error
    }
  }

  /** Takes back what a refused batch may have left, so that the pack ends with its last whole record. */
  async #cutBack(file: OpenFile, pack: Pack): Promise<void> {
    try {
      await file.truncate(pack.sizeBytes)
    } catch (cause) {
      throw this.#options.health.failFlush(storageError(cause, 'cut'), `cut back pack ${pack.number}`)
    }
  }
}
