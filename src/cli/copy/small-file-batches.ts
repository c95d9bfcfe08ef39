import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { BatchBuffer } from '#client/batch.ts'
import type { BatchRecord } from '#client/batch.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import { ShoalError } from '#foundation/errors.ts'
import { joinPath } from '../location.ts'
import type { CopyContext } from './copy-context.ts'
import { octal } from './file-source.ts'
import { withLocalPath } from './local-path.ts'
import { replaceSymlink } from './replace-symlink.ts'
import { TaskPool } from './task-pool.ts'
import { verifyCopy } from './verify.ts'

/** Files up to this length travel in batches: above, a call of its own costs little in comparison. */
export const BATCHED_FILE_BYTES = 128 * 1024
/** One batch is one buffer of this length; with `BATCHES` of them, that is the memory that small files take. */
const BATCH_BYTES = 2 * 1024 * 1024
const BATCH_RECORDS = 1_000
/** The node works on 64 records of a batch at a time, and puts what is under way into one commit: several batches at once
 *  make commits larger. Measured with 50,000 files: 5.3 s with 4 batches, 4.6 s with 8. */
const BATCHES = 8

interface Sent {
  /** Relative to the batch's directory. */
  readonly path: string
  readonly local: Buffer | undefined
  readonly sizeBytes: number
  readonly kind: 'file' | 'directory' | 'symlink'
  /** Of a symbolic link. */
  readonly target: string | undefined
}

interface Batch {
  readonly buffer: BatchBuffer
  readonly sent: Sent[]
}

/** Gathers small files below one directory of a volume into batches, and sends several of these at a time. */
export class SmallFileBatches {
  readonly #context: CopyContext
  readonly #volume: string
  readonly #base: string
  readonly #pool = new TaskPool(BATCHES)
  readonly #free: Batch[] = []
  #made = 0
  #current: Batch | undefined
  #wake: (() => void) | undefined

  constructor(context: CopyContext, { volume, base }: { volume: string; base: string }) {
    this.#context = context
    this.#volume = volume
    this.#base = base
  }

  /** Adds the file at `local` if it is small; false if it is not. */
  async addFile(path: string, local: Buffer): Promise<boolean> {
    const fd = withLocalPath(local, (short) => openSync(short, constants.O_RDONLY | constants.O_NONBLOCK))
    try {
      const facts = fstatSync(fd, { bigint: true })
      if (!facts.isFile()) throw new ShoalError('INVALID_ARGUMENT', 'This is not a regular file')
      const size = Number(facts.size)
      if (size > BATCHED_FILE_BYTES) return false
      const record = { path, size, mode: octal(Number(facts.mode) & 0o7777), mtime: formatTimestamp(facts.mtimeNs) }
      const batch = this.#batchFor(record) ?? (await this.#nextBatch())
      const before = batch.buffer.lengthBytes
      const room = batch.buffer.add(record)
      if (room === undefined) throw new ShoalError('NAME_TOO_LONG', 'The path is too long for a batch')
      if (!readFully(fd, room)) {
        batch.buffer.undo(before)
        throw new ShoalError('CONFLICT', 'The file shrank while it was being copied: copy it again')
      }
      batch.sent.push({ path, local, sizeBytes: size, kind: 'file', target: undefined })
    } finally {
      closeSync(fd)
    }
    return true
  }

  /** Adds a directory or a symbolic link. */
  async addRecord(record: BatchRecord & { readonly type: 'directory' | 'symlink' }): Promise<void> {
    const batch = this.#batchFor(record) ?? (await this.#nextBatch())
    batch.buffer.add(record)
    batch.sent.push({ path: record.path, local: undefined, sizeBytes: 0, kind: record.type, target: record.target })
  }

  /** Sends what is left, and waits for everything. */
  async flush(): Promise<void> {
    if (this.#current !== undefined) await this.#dispatch(this.#current)
    this.#current = undefined
    await this.#pool.idle()
  }

  /** The batch at hand, if the record fits into it for sure. */
  #batchFor({ path, size }: BatchRecord): Batch | undefined {
    const batch = this.#current
    if (batch === undefined || batch.buffer.records >= BATCH_RECORDS) return undefined
    // Each UTF-16 unit of the path takes six bytes at most, escaped as JSON; then the other fields, and a link's target.
    return batch.buffer.lengthBytes + size + path.length * 6 + 32_768 <= BATCH_BYTES ? batch : undefined
  }

  async #nextBatch(): Promise<Batch> {
    if (this.#current !== undefined) await this.#dispatch(this.#current)
    while (this.#free.length === 0 && this.#made > BATCHES) await new Promise<void>((resolve) => (this.#wake = resolve))
    let batch = this.#free.pop()
    if (batch === undefined) {
      this.#made += 1
      batch = { buffer: new BatchBuffer(BATCH_BYTES), sent: [] }
    }
    this.#current = batch
    return batch
  }

  async #dispatch(batch: Batch): Promise<void> {
    await this.#pool.start(async () => {
      if (batch.sent.length > 0 && !this.#context.report.stopped) await this.#send(batch)
      batch.buffer.clear()
      batch.sent.length = 0
      this.#free.push(batch)
      this.#wake?.()
    })
  }

  async #send({ buffer, sent }: Batch): Promise<void> {
    const { client, report, settings } = this.#context
    try {
      const results = await client.batches.store(this.#volume, this.#base, {
        bytes: buffer.bytes,
        records: buffer.records,
        signal: report.signal,
      })
      for (const [index, item] of sent.entries()) {
        const error = results[index]
        if (!(error instanceof ShoalError)) await this.#stored(item, settings.verify)
        else if (error.code === 'ALREADY_EXISTS' && item.kind === 'symlink') await this.#replaceLink(item)
        else report.fail(this.#shown(item), error)
      }
    } catch (error) {
      // The answer is lost: none of these is known to be stored.
      for (const item of sent) report.fail(this.#shown(item), error)
    }
  }

  async #stored(item: Sent, verify: boolean): Promise<void> {
    const { report } = this.#context
    if (item.kind === 'directory') return
    if (item.kind === 'symlink') report.links += 1
    if (verify && item.local !== undefined) {
      try {
        await verifyCopy(this.#context, { volume: this.#volume, path: joinPath(this.#base, item.path), local: item.local })
      } catch (error) {
        report.fail(this.#shown(item), error)
        return
      }
    }
    report.moved(item.sizeBytes)
    report.fileDone()
  }

  async #replaceLink(item: Sent): Promise<void> {
    const { client, report } = this.#context
    try {
      const outcome = await replaceSymlink(client, {
        volume: this.#volume,
        path: joinPath(this.#base, item.path),
        target: item.target ?? '',
      })
      if (outcome === 'same') report.skip(0)
      else await this.#stored(item, false)
    } catch (error) {
      report.fail(this.#shown(item), error)
    }
  }

  #shown({ path, local }: Sent): string {
    return local?.toString() ?? `${this.#volume}:/${joinPath(this.#base, path)}`
  }
}

function readFully(fd: number, room: Buffer): boolean {
  for (let at = 0; at < room.length;) {
    const bytesRead = readSync(fd, room, at, room.length - at, null)
    if (bytesRead === 0) return false
    at += bytesRead
  }
  return true
}
