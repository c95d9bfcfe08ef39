import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { tryLock } from 'fs-native-extensions'
import type { AppendFile, AppendFiles } from './append-files.ts'
import { systemErrorCode } from './files.ts'

/** Pieces that are shorter together go in one: a vector of three takes the system longer than their bytes. */
const gathered = Buffer.alloc(64 * 1024)

const write = promisify(fs.write)

class NodeAppendFile implements AppendFile {
  readonly #fd: number
  #sizeBytes: number

  constructor(fd: number) {
    this.#fd = fd
    this.#sizeBytes = fs.fstatSync(fd).size
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  append(pieces: readonly Uint8Array[]): number {
    const start = this.#sizeBytes
    try {
      let left = joined(pieces)
      for (let at = start; left.length > 0;) {
        const [only, second] = left
        const written =
          only !== undefined && second === undefined
            ? fs.writeSync(this.#fd, only, 0, only.length, at)
            : fs.writevSync(this.#fd, left, at)
        at += written
        left = behind(left, written)
        this.#sizeBytes = at
      }
    } catch (error) {
      this.cut(start)
      throw error
    }
    return start
  }

  async writeAt(position: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += (await write(this.#fd, bytes, at, bytes.length - at, position + at)).bytesWritten
  }

  read(target: Uint8Array, position: number): number {
    let got = 0
    while (got < target.length) {
      const step = fs.readSync(this.#fd, target, got, target.length - got, position + got)
      if (step === 0) break
      got += step
    }
    return got
  }

  cut(sizeBytes: number): void {
    fs.ftruncateSync(this.#fd, sizeBytes)
    this.#sizeBytes = sizeBytes
  }

  datasync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => (error === null ? resolve() : reject(error)))
    })
  }

  tryLock(): boolean {
    return tryLock(this.#fd)
  }

  close(): void {
    fs.closeSync(this.#fd)
  }

  drop(): void {
    fs.close(this.#fd, () => undefined)
  }
}

/** Valid until the next call. */
function joined(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  if (pieces.length < 2 || length > gathered.length) return pieces
  let at = 0
  for (const piece of pieces) {
    gathered.set(piece, at)
    at += piece.length
  }
  return [gathered.subarray(0, length)]
}

function behind(pieces: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let skipped = written
  let first = 0
  for (let piece = pieces[first]; piece !== undefined && skipped >= piece.length; piece = pieces[first]) {
    skipped -= piece.length
    first += 1
  }
  const [head, ...rest] = pieces.slice(first)
  return head === undefined ? [] : [head.subarray(skipped), ...rest]
}

export const nodeAppendFiles: AppendFiles = {
  open(path) {
    fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const { O_RDWR, O_CREAT } = fs.constants
    return new NodeAppendFile(fs.openSync(path, O_RDWR | O_CREAT, 0o600))
  },

  list(folder) {
    try {
      return fs.readdirSync(folder).toSorted()
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return []
      throw error
    }
  },

  remove(path) {
    fs.rmSync(path, { force: true })
  },
}
