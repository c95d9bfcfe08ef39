import { ShoalError } from '#foundation/errors.ts'
import type { AppendFile, AppendFiles } from '#platform/append-files.ts'

/** What one file keeps in memory before it gets a file of its own on the disk. */
const MEMORY_BYTES_MAX = 1024 * 1024
/** What all keep in memory together. */
const TOTAL_MEMORY_BYTES_MAX = 64 * 1024 * 1024

export interface ScratchOptions {
  readonly files: AppendFiles
  /** Absolute; of this mount alone. */
  readonly folder: string
  readonly bytesMax: number
}

/** Where bytes are that were written to files and that no node has yet. It goes with the process: nobody was told that they are kept. */
export class Scratch {
  readonly options: ScratchOptions
  usedBytes = 0
  memoryBytes = 0
  #last = 0

  constructor(options: ScratchOptions) {
    this.options = options
  }

  hasRoom(bytes: number): boolean {
    return this.usedBytes + bytes <= this.options.bytesMax
  }

  open(): ScratchFile {
    return new ScratchFile(this)
  }

  /** A file that has no name any more, so that nothing is left of it. */
  make(): AppendFile {
    const { files, folder } = this.options
    this.#last += 1
    const path = `${folder}/${this.#last}`
    const file = files.open(path)
    files.remove(path)
    file.cut(0)
    return file
  }
}

/** Bytes that are only appended, and read where they were put. */
export class ScratchFile {
  readonly #scratch: Scratch
  #memory: Buffer[] = []
  #memoryBytes = 0
  #file: AppendFile | undefined
  #sizeBytes = 0
  #isClosed = false

  constructor(scratch: Scratch) {
    this.#scratch = scratch
  }

  /** Takes `bytes` over. @returns where they begin @throws NO_SPACE, and the system's errors */
  append(bytes: Buffer): number {
    const scratch = this.#scratch
    if (!scratch.hasRoom(bytes.length))
      throw new ShoalError(
        'NO_SPACE',
        'Files that are being written have more bytes than this mount may keep until they are closed',
      )
    const at = this.#sizeBytes
    const isShort = this.#memoryBytes + bytes.length <= MEMORY_BYTES_MAX
    if (this.#file === undefined && isShort && scratch.memoryBytes + bytes.length <= TOTAL_MEMORY_BYTES_MAX) {
      this.#memory.push(bytes)
      this.#memoryBytes += bytes.length
      scratch.memoryBytes += bytes.length
    } else {
      this.#file ??= this.#spill()
      this.#file.append([bytes])
    }
    this.#sizeBytes += bytes.length
    scratch.usedBytes += bytes.length
    return at
  }

  /** @throws CONFLICT if the file was sent meanwhile; the system's errors */
  read(position: number, length: number): Buffer {
    if (this.#isClosed) throw new ShoalError('CONFLICT', 'What was written is with the node by now')
    const target = Buffer.allocUnsafe(length)
    if (this.#file !== undefined) {
      if (this.#file.read(target, position) === length) return target
      throw new ShoalError('CORRUPT', 'What was written to a file is not on the disk of this machine any more')
    }
    let start = 0
    let got = 0
    for (const piece of this.#memory) {
      const from = Math.max(0, position + got - start)
      if (from < piece.length && got < length) got += piece.copy(target, got, from)
      start += piece.length
    }
    return target
  }

  /** Once. */
  close(): void {
    this.#isClosed = true
    this.#file?.close()
    this.#file = undefined
    this.#scratch.usedBytes -= this.#sizeBytes
    this.#dropMemory()
  }

  #spill(): AppendFile {
    const file = this.#scratch.make()
    file.append(this.#memory)
    this.#dropMemory()
    return file
  }

  #dropMemory(): void {
    this.#scratch.memoryBytes -= this.#memoryBytes
    this.#memory = []
    this.#memoryBytes = 0
  }
}
