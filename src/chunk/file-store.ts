import { dirname, join } from 'node:path'
import type { ChunkId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import { systemErrorCode } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import { BLOCK_BYTES } from './blocks.ts'
import { BLOCK_CHECKSUMS, encodeTrailer, payloadBytesOf } from './chunk-file-format.ts'
import { ChunkFileReader, chunkPath } from './chunk-file-reader.ts'
import type { DiskMetrics } from './disk-metrics.ts'
import { FileCensus } from './file-census.ts'
import type { IdTurns } from './id-turns.ts'
import type { StorageHealth } from './storage-health.ts'
import type { ByteRange, ChunkInfo } from './store.ts'

export interface FileStoreOptions {
  /** Where the chunks' folders are. */
  readonly folder: string
  /** Where chunks grow until they are complete. On the same medium. */
  readonly incoming: string
  readonly files: Files
  readonly digests: Digests
  readonly clock: Clock
  readonly log: Log
  readonly health: StorageHealth
  readonly turns: IdTurns
  readonly metrics: DiskMetrics
}

/** Chunks in files of their own: `<folder>/<hh>/<hh>/<id>`. What changes one chunk must hold its turn: see `IdTurns`. */
export class FileStore {
  readonly #options: FileStoreOptions
  readonly #openedAtMs: number
  readonly #reader: ChunkFileReader
  readonly #census = new FileCensus()
  readonly #counted: Promise<void>
  /** Once all files were counted: the outer folders that have held one since the store was opened, by number. */
  readonly #used = new Uint8Array(256)
  #isCounted = false
  /** Inner folders, by the number that their four characters are, that this process has made durable. */
  readonly #durable = new Uint8Array(65_536)
  #incoming = 0
  #closing = false

  static async open(options: FileStoreOptions): Promise<FileStore> {
    const { files, folder, incoming } = options
    await files.makeFolder(folder)
    await files.makeFolder(incoming)
    // All at once, so that later no chunk pays for more than its inner folder.
    const outers = new Set(await files.list(folder))
    for (let byte = 0; byte < 256; byte += 1) if (!outers.has(hex(byte))) await files.createFolder(join(folder, hex(byte)))
    await files.syncFolder(folder)
    for (const name of (await files.list(incoming)) ?? []) await files.remove(join(incoming, name))
    return new FileStore(options)
  }

  private constructor(options: FileStoreOptions) {
    this.#options = options
    this.#openedAtMs = options.clock.nowMs()
    this.#reader = new ChunkFileReader(options)
    this.#counted = this.#count()
    // Whoever asks for the count gets the error; if nobody does, it harms nobody.
    this.#counted.catch(() => undefined)
  }

  async find(id: ChunkId): Promise<ChunkInfo | undefined> {
    const facts = await this.#options.files.facts(this.#pathOf(id))
    if (facts === undefined || facts.kind !== 'file') return undefined
    // The time in the file may be older than the last touch if power was lost meanwhile: so a start counts as a touch.
    const touchedAtMs = Math.max(facts.modifiedMs, this.#openedAtMs)
    return { id, sizeBytes: payloadBytesOf(facts.sizeBytes) ?? facts.sizeBytes, touchedAtMs }
  }

  /** Marks a chunk that is there as touched; false if it isn't. It is durable afterwards, even if a process wrote it that
   *  died before it could make its name durable. */
  async touch(id: ChunkId, touchedAtMs: number): Promise<boolean> {
    const path = this.#pathOf(id)
    try {
      await this.#options.files.setModified(path, touchedAtMs)
    } catch (cause) {
      if (systemErrorCode(cause) === 'ENOENT') return false
      throw this.#options.health.failWrite(cause, `touch chunk ${id}`)
    }
    if (!this.#isDurable(id)) {
      try {
        await this.#syncFolders(id)
      } catch (cause) {
        throw this.#options.health.failFlush(cause, `make chunk ${id} durable`)
      }
    }
    return true
  }

  /** Stores the chunk. `replaces` says that there is a file of it, which is damaged. */
  async write(
    id: ChunkId,
    payload: Uint8Array,
    options: { touchedAtMs: number; checksums: Buffer | undefined; replaces: boolean },
  ): Promise<void> {
    const { digests, health, metrics } = this.#options
    const checksums = options.checksums ?? (await digests.blockChecksums(payload, BLOCK_BYTES, BLOCK_CHECKSUMS))
    const trailer = encodeTrailer(id, payload.length, checksums)
    try {
      const replaced = options.replaces ? await this.#options.files.facts(this.#pathOf(id)) : undefined
      await this.#publish(id, [payload, trailer], options.touchedAtMs)
      if (replaced !== undefined) this.#census.removed(id, payloadBytesOf(replaced.sizeBytes) ?? 0, replaced.sizeBytes)
      if (options.replaces) await this.#reader.release(this.#pathOf(id))
    } catch (cause) {
      throw health.failWrite(cause, `store chunk ${id}`)
    }
    const fileBytes = payload.length + trailer.length
    this.#census.added(id, payload.length, fileBytes)
    metrics.writtenBytes.add(fileBytes, { kind: 'file' })
  }

  /** Removes a chunk that is there. Durable when the promise resolves. */
  async forget(id: ChunkId): Promise<boolean> {
    const { files, health } = this.#options
    const path = this.#pathOf(id)
    const facts = await files.facts(path)
    if (facts === undefined) return false
    try {
      await files.remove(path)
      await this.#reader.release(path)
      await files.syncFolder(dirname(path))
    } catch (cause) {
      throw health.failWrite(cause, `remove chunk ${id}`)
    }
    this.#census.removed(id, payloadBytesOf(facts.sizeBytes) ?? 0, facts.sizeBytes)
    return true
  }

  /** `undefined` if there is no such chunk. @throws CORRUPT, INVALID_ARGUMENT */
  read(id: ChunkId, range: ByteRange | undefined, into?: Buffer): Promise<Buffer | undefined> {
    return this.#reader.read(id, range, into)
  }

  /** False if there surely is no id that begins with this byte: large chunks are few in most stores, and to look for them in all folders takes long. */
  mayHave(firstByte: number): boolean {
    return !this.#isCounted || this.#used[firstByte] === 1
  }

  /** The ids that begin with this byte, in ascending order. */
  async idsIn(firstByte: number): Promise<ChunkId[]> {
    const outer = hex(firstByte)
    const ids: ChunkId[] = []
    const inners = (await this.#options.files.list(join(this.#options.folder, outer))) ?? []
    for (const inner of inners.toSorted()) ids.push(...(await this.#idsInFolder(outer, inner)))
    return ids
  }

  /** Waits until the files have been counted, which a start begins. */
  async usage(): Promise<FileCensus['counts']> {
    await this.#counted
    return this.#census.counts
  }

  async close(): Promise<void> {
    this.#closing = true
    await this.#counted.catch(() => undefined)
    await this.#reader.close()
  }

  async #idsInFolder(outer: string, inner: string): Promise<ChunkId[]> {
    const names = (await this.#options.files.list(join(this.#options.folder, outer, inner))) ?? []
    return names.filter((name) => name.startsWith(outer + inner) && /^[0-9a-f]{64}$/.test(name)).toSorted() as ChunkId[]
  }

  #pathOf(id: ChunkId): string {
    return chunkPath(this.#options.folder, id)
  }

  #isDurable(id: ChunkId): boolean {
    return this.#durable[Number.parseInt(id.slice(0, 4), 16)] === 1
  }

  async #publish(id: ChunkId, pieces: Uint8Array[], modifiedMs: number): Promise<void> {
    const { files, incoming } = this.#options
    this.#used[Number.parseInt(id.slice(0, 2), 16)] = 1
    const path = this.#pathOf(id)
    const inner = dirname(path)
    const temporaryPath = join(incoming, `${(this.#incoming += 1)}`)
    if (this.#isDurable(id)) return files.publish(path, pieces, { temporaryPath, modifiedMs })
    await files.createFolder(inner)
    await files.publish(path, pieces, { temporaryPath, modifiedMs, newFolders: [dirname(inner)] })
    this.#markDurable(id)
  }

  /** Makes the chunk's inner folder durable, with what is in it. */
  async #syncFolders(id: ChunkId): Promise<void> {
    const { files } = this.#options
    const inner = dirname(this.#pathOf(id))
    await Promise.all([files.syncFolder(inner), files.syncFolder(dirname(inner))])
    this.#markDurable(id)
  }

  #markDurable(id: ChunkId): void {
    this.#durable[Number.parseInt(id.slice(0, 4), 16)] = 1
  }

  async #count(): Promise<void> {
    const { files, folder, turns } = this.#options
    for (const outer of ((await files.list(folder)) ?? []).toSorted()) {
      for (const inner of ((await files.list(join(folder, outer))) ?? []).toSorted()) {
        if (this.#closing) return
        this.#census.beginFolder(outer + inner)
        for (const id of await this.#idsInFolder(outer, inner)) {
          this.#used[Number.parseInt(outer, 16)] = 1
          await turns.run(id, async () => {
            const facts = await files.facts(this.#pathOf(id))
            if (facts !== undefined) this.#census.count(id, payloadBytesOf(facts.sizeBytes) ?? 0, facts.sizeBytes)
          })
        }
      }
    }
    this.#census.finish()
    this.#isCounted = true
  }
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}
