import * as fs from 'node:fs'
import { tryLock } from 'fs-native-extensions'
import { systemErrorCode } from './files.ts'
import type { FileFacts, Files, MediumSpace, OpenFile, OpenMode, PublishOptions } from './files.ts'
import { type Job, sharedBytes, unpooled } from './node-worker-jobs.ts'
import { nodeWorkers } from './node-worker-pool.ts'
import { FLAGS, MAX_WRITE_BYTES } from './node-sync-files.ts'
import { makeFolderThrough, publishThrough } from './publish.ts'
import { SharedFlush } from './shared-flush.ts'

/** Pieces from this length on are worth a worker thread, and must then be in shared memory; shorter ones are copied. */
const SHARED_BYTES_MIN = 64 * 1024

/** Node's callback interface under promises: it costs a third less time per call than `FileHandle`. */
function call<T>(start: (done: (error: Error | null, result?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (error === null) resolve(result as T)
      else reject(error)
    })
  })
}

function factsOf(stats: fs.Stats): FileFacts {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'other'
  return { kind, sizeBytes: stats.size, modifiedMs: Math.round(stats.mtimeMs), mode: stats.mode & 0o7777 }
}

async function orAbsent<T, A>(promise: Promise<T>, absent: A, codes: readonly string[] = ['ENOENT']): Promise<T | A> {
  try {
    return await promise
  } catch (error) {
    if (codes.includes(systemErrorCode(error) ?? '')) return absent
    throw error
  }
}

class NodeFile implements OpenFile {
  readonly path: string
  readonly #fd: number
  /** The same file, where each write is durable when it ends. */
  #throughFd: Promise<number> | undefined
  #closed = false

  constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let filled = 0
    while (filled < target.length) {
      const got = await call<number>((done) => fs.read(this.#fd, target, filled, target.length - filled, position + filled, done))
      if (got === 0) break
      filled += got
    }
    return filled
  }

  write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    return this.#writeTo(this.#fd, pieces, position)
  }

  async writeThrough(pieces: readonly Uint8Array[], position: number): Promise<void> {
    this.#throughFd ??= call((done) => fs.open(this.path, fs.constants.O_WRONLY | fs.constants.O_DSYNC, done))
    await this.#writeTo(await this.#throughFd, pieces, position)
  }

  datasync(): Promise<void> {
    return call((done) => fs.fdatasync(this.#fd, done))
  }

  truncate(sizeBytes: number): Promise<void> {
    return call((done) => fs.ftruncate(this.#fd, sizeBytes, done))
  }

  async facts(): Promise<FileFacts> {
    return factsOf(await call<fs.Stats>((done) => fs.fstat(this.#fd, done)))
  }

  setModified(modifiedMs: number): Promise<void> {
    return call((done) => fs.futimes(this.#fd, modifiedMs / 1_000, modifiedMs / 1_000, done))
  }

  tryLock(): boolean {
    return tryLock(this.#fd)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const throughFd = await this.#throughFd?.catch(() => undefined)
    if (throughFd !== undefined) await call<void>((done) => fs.close(throughFd, done))
    await call<void>((done) => fs.close(this.#fd, done))
  }

  async #writeTo(fd: number, pieces: readonly Uint8Array[], position: number): Promise<void> {
    let rest = pieces
    let at = position
    while (rest.length > 0) {
      const written = await writeSome(fd, firstOf(rest, MAX_WRITE_BYTES), at)
      at += written
      rest = withoutFirst(rest, written)
    }
  }
}

function writeSome(fd: number, pieces: readonly Uint8Array[], position: number): Promise<number> {
  const [first] = pieces
  if (pieces.length === 1 && first !== undefined) {
    return call((done) => fs.write(fd, first, 0, first.length, position, done))
  }
  return call((done) => fs.writev(fd, pieces as Uint8Array[], position, done))
}

/** The pieces up to `count` bytes, the last one cut if need be. */
function firstOf(pieces: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let room = count
  for (const [index, piece] of pieces.entries()) {
    if (piece.length > room) return room === 0 ? pieces.slice(0, index) : [...pieces.slice(0, index), piece.subarray(0, room)]
    room -= piece.length
  }
  return pieces
}

function withoutFirst(pieces: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skipped = 0
  for (const [index, piece] of pieces.entries()) {
    if (skipped + piece.length > count) return [piece.subarray(count - skipped), ...pieces.slice(index + 1)]
    skipped += piece.length
  }
  return []
}

class NodeFiles implements Files {
  readonly #flushes = new SharedFlush((path) => this.#flushFolder(path))

  async open(path: string, how: OpenMode, mode = 0o644): Promise<OpenFile> {
    return new NodeFile(path, await call<number>((done) => fs.open(path, FLAGS[how], mode, done)))
  }

  read(path: string): Promise<Buffer | undefined> {
    return orAbsent(
      call<Buffer>((done) => fs.readFile(path, done)),
      undefined,
    )
  }

  async publish(path: string, pieces: Iterable<Uint8Array>, options: PublishOptions = {}): Promise<void> {
    const job = workerJob(path, pieces, options)
    if (job === undefined) return publishThrough(this, path, pieces, options)
    await nodeWorkers.run(job)
  }

  rename(from: string, to: string): Promise<void> {
    return call((done) => fs.rename(from, to, done))
  }

  remove(path: string): Promise<boolean> {
    return orAbsent(
      call<void>((done) => fs.unlink(path, done)).then(() => true),
      false,
    )
  }

  list(path: string): Promise<string[] | undefined> {
    return orAbsent(
      call<string[]>((done) => fs.readdir(path, done)),
      undefined,
    )
  }

  async facts(path: string): Promise<FileFacts | undefined> {
    const stats = await orAbsent(
      call<fs.Stats>((done) => fs.stat(path, done)),
      undefined,
      ['ENOENT', 'ENOTDIR'],
    )
    return stats === undefined ? undefined : factsOf(stats)
  }

  setModified(path: string, modifiedMs: number): Promise<void> {
    return call((done) => fs.utimes(path, modifiedMs / 1_000, modifiedMs / 1_000, done))
  }

  createFolder(path: string, mode = 0o755): Promise<boolean> {
    return orAbsent(
      call<void>((done) => fs.mkdir(path, { mode }, done as fs.NoParamCallback)).then(() => true),
      false,
      ['EEXIST'],
    )
  }

  makeFolder(path: string, mode?: number): Promise<void> {
    return makeFolderThrough(this, path, mode)
  }

  syncFolder(path: string): Promise<void> {
    return this.#flushes.flush(path)
  }

  async space(path: string): Promise<MediumSpace> {
    const stats = await call<fs.StatsFs>((done) => fs.statfs(path, done as (error: Error | null, stats?: fs.StatsFs) => void))
    return { capacityBytes: stats.blocks * stats.bsize, freeBytes: stats.bavail * stats.bsize }
  }

  async #flushFolder(path: string): Promise<void> {
    const fd = await call<number>((done) => fs.open(path, FLAGS.read, done))
    try {
      await call<void>((done) => fs.fsync(fd, done))
    } finally {
      await call<void>((done) => fs.close(fd, done))
    }
  }
}

/** The publication as one job of a worker thread, if its bytes needn't be copied for that. */
function workerJob(path: string, pieces: Iterable<Uint8Array>, options: PublishOptions): Job | undefined {
  if (!Array.isArray(pieces)) return undefined
  const list = (pieces as Uint8Array[]).map((piece) => (piece.length < SHARED_BYTES_MIN ? unpooled(piece) : sharedBytes(piece)))
  const isLarge = list.some((piece) => piece !== undefined && !(piece instanceof Uint8Array))
  if (!isLarge || !list.every((piece) => piece !== undefined)) return undefined
  return { kind: 'publish', path, pieces: list, options }
}

/** The machine's own file system. */
export const nodeFiles: Files = new NodeFiles()
