import { join } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import { systemErrorCode, type Files, type OpenFile } from '#platform/files.ts'
import type { BodyStream } from '#volume/volume.ts'

/** Read at a time where the bytes are asked for piece by piece. */
const PIECE_BYTES = 1024 * 1024

/** A name that nobody has asked for in such a time is of a program that was killed before it could. */
const LEFT_MS = 60_000

/** Bytes of a file that was handed over. */
export interface HandedPiece {
  /** Its name in the folder: 32 hexadecimal characters, drawn by whoever handed it over. */
  readonly file: string
  readonly offset: number
  readonly length: number
}

/** A body that lies in handed files. The names go with `close`. */
export interface HandedBody extends BodyStream {
  readonly sizeBytes: number
  fill(target: Uint8Array): Promise<number>
  close(): Promise<void>
}

/** The folder in which programs of this machine hand files over, so that their bytes needn't come over a socket: a hard link of a random
 *  name each, of a file that the program goes on using. Nobody but the node's own user and root gets into the folder, and whoever asks for
 *  a name that isn't in it, from this machine or another, is told so and sends the bytes. */
export class HandedFiles {
  /** Absolute. */
  readonly folder: string
  readonly #files: Files
  /** Names that are being read. */
  readonly #used = new Set<string>()
  /** Names that were there when it was looked last. */
  #seen = new Set<string>()
  #lookedMs = -Infinity

  private constructor(files: Files, folder: string) {
    this.#files = files
    this.folder = folder
  }

  /** Makes the folder. What lies in it is of requests that an earlier process of the node was asked, and goes. */
  static async open(files: Files, folder: string): Promise<HandedFiles> {
    await files.makeFolder(folder, 0o700)
    for (const name of (await files.list(folder)) ?? []) await files.remove(join(folder, name))
    return new HandedFiles(files, folder)
  }

  body(pieces: readonly HandedPiece[]): HandedBody {
    const names = new Set(pieces.map(({ file }) => file))
    for (const name of names) this.#used.add(name)
    return new PiecedBody(this.#files, this.folder, {
      pieces,
      closed: async () => {
        for (const name of names) await this.#files.remove(join(this.folder, name))
        for (const name of names) this.#used.delete(name)
      },
    })
  }

  /** Removes what was left a minute ago, by `nowMs` of a clock that never goes back; to be called when somebody is told the folder. */
  async tidy(nowMs: number): Promise<void> {
    if (nowMs - this.#lookedMs < LEFT_MS) return
    this.#lookedMs = nowMs
    const left = this.#seen
    this.#seen = new Set(await this.#files.list(this.folder))
    for (const name of this.#seen) if (left.has(name) && !this.#used.has(name)) await this.#files.remove(join(this.folder, name))
  }
}

class PiecedBody implements HandedBody {
  readonly sizeBytes: number
  readonly #files: Files
  readonly #folder: string
  readonly #pieces: readonly HandedPiece[]
  readonly #closed: () => Promise<void>
  readonly #open = new Map<string, OpenFile>()
  /** How many pieces are read, and how much of the next one. */
  #done = 0
  #within = 0

  constructor(
    files: Files,
    folder: string,
    { pieces, closed }: { readonly pieces: readonly HandedPiece[]; readonly closed: () => Promise<void> },
  ) {
    this.sizeBytes = pieces.reduce((sum, { length }) => sum + length, 0)
    this.#files = files
    this.#folder = folder
    this.#pieces = pieces
    this.#closed = closed
  }

  /** @throws NOT_FOUND (nobody has handed it over here), INCOMPLETE_BODY (it is shorter than was said) */
  async fill(target: Uint8Array): Promise<number> {
    let filled = 0
    for (let piece = this.#pieces[this.#done]; piece !== undefined && filled < target.length; piece = this.#pieces[this.#done]) {
      const room = Math.min(piece.length - this.#within, target.length - filled)
      const file = await this.#fileOf(piece)
      const got = await file.read(target.subarray(filled, filled + room), piece.offset + this.#within)
      if (got < room)
        throw new ShoalError('INCOMPLETE_BODY', `The file "${piece.file}" that was handed over is shorter than was said`)
      filled += got
      this.#within += got
      if (this.#within < piece.length) continue
      this.#done += 1
      this.#within = 0
    }
    return filled
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const target = Buffer.allocUnsafe(PIECE_BYTES)
      const length = await this.fill(target)
      if (length > 0) yield target.subarray(0, length)
      if (length < target.length) return
    }
  }

  async close(): Promise<void> {
    for (const file of this.#open.values()) await file.close()
    this.#open.clear()
    await this.#closed()
  }

  async #fileOf({ file: name }: HandedPiece): Promise<OpenFile> {
    const open = this.#open.get(name)
    if (open !== undefined) return open
    try {
      const opened = await this.#files.open(join(this.#folder, name), 'read')
      this.#open.set(name, opened)
      return opened
    } catch (cause) {
      // Of another user, who isn't root: whoever handed it over may read it, and this node may not.
      if (systemErrorCode(cause) !== 'ENOENT' && systemErrorCode(cause) !== 'EACCES') throw cause
      throw new ShoalError('NOT_FOUND', `No file "${name}" was handed over to this node: send the bytes`, { cause })
    }
  }
}
