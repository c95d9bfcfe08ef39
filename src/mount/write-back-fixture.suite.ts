// A mount that writes back to a volume in this process, whose connection and whose disk can fail. Only tests import it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { formatPath, parsePath } from '#foundation/path.ts'
import type { MountableVolume } from '#gateway/fuse/own-volume.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import type { Log } from '#observe/log.ts'
import { silentLog } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { AppendFile, AppendFiles } from '#platform/append-files.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { openFixture, readAll } from '#volume/volume-fixture.suite.ts'
import type { AttributeChanges, Conditions, Volume } from '#volume/volume.ts'
import type { HandedParts } from './handed-parts.ts'
import { openWriteBack, type WriteBack, type WriteBackSettings } from './open-write-back.ts'
import type { PartedFile, SmallUpload, UploadResult, Uploads } from './remote-uploads.ts'

export const caller = { principal: 'tester' }
const other = { caller: { principal: 'other' } }

/** A cluster that can be out of reach, or lose its answers. */
export class FailingCluster {
  readonly volume: Volume
  isReachable = true
  /** What is asked is never answered. */
  isSilent = false
  /** What is asked is done, and its answer lost. */
  losesAnswers = false
  /** So many answers still come. */
  losesAnswersAfter = Infinity
  /** So many files of parts are published, and the answer is lost. */
  losesCommits = 0
  /** Attributes of what is there, among many changes in one request. */
  takesAttributes = true
  /** A batch with such a change is refused as a whole. */
  cannotRead: (upload: SmallUpload) => boolean = () => false
  requests = 0
  /** Files that were begun in parts. */
  parted = 0
  /** Where files can be handed over. */
  handedAt: string | undefined
  /** Parts that came as bytes, and that were taken out of files. */
  readonly came = { sent: 0, taken: 0 }
  /** Files of parts that were published. */
  commits = 0
  /** Has its turn before a part is taken. */
  onTake: () => Promise<void> = async () => undefined
  /** The same before a batch is answered, when it is done. */
  onStored: () => Promise<void> = async () => undefined

  constructor(volume: Volume) {
    this.volume = volume
  }

  async ask<T>(call: () => Promise<T>): Promise<T> {
    this.requests += 1
    if (this.isSilent) return new Promise(() => undefined)
    if (!this.isReachable) throw new ShoalError('UNAVAILABLE', 'Nobody there')
    const answer = await call()
    this.losesAnswersAfter -= 1
    if (this.losesAnswers || this.losesAnswersAfter < 0) throw new ShoalError('UNAVAILABLE', 'The connection broke')
    return answer
  }

  get remote(): MountableVolume & { openKnown: (path: readonly string[], attributes: Attributes) => never } {
    return new Proxy(this.volume, {
      get: (volume, name) => {
        const value: unknown = Reflect.get(volume, name)
        if (name === 'openKnown') return (path: readonly string[], base: Attributes) => this.#openKnown(path, base)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => this.ask(() => Reflect.apply(value, volume, args) as Promise<unknown>)
      },
    }) as never
  }

  #openKnown(path: readonly string[], attributes: Attributes): unknown {
    const read = async function* (this: FailingCluster, range: { offset: number; length: number }) {
      const file = await this.ask(() => this.volume.openFile(path))
      if (file === undefined || entityTag(file.attributes) !== entityTag(attributes))
        throw new ShoalError('CONFLICT', 'It has changed')
      yield* file.read(range)
    }
    return { attributes, bytes: undefined, read: read.bind(this), close: () => undefined }
  }

  get uploads(): Uploads {
    const one = async (upload: SmallUpload): Promise<UploadResult> => {
      try {
        return await this.#store(upload)
      } catch (error) {
        return error as ShoalError
      }
    }
    return {
      storeSmall: (uploads) =>
        this.ask(async () => {
          if (uploads.some((upload) => this.cannotRead(upload))) throw new ShoalError('INVALID_ARGUMENT', 'Nobody can read that')
          const results = await Promise.all(uploads.map(one))
          await this.onStored()
          return results
        }),
      storeFile: (path, source, options) =>
        this.ask(async () => {
          const pieces: Uint8Array[] = []
          for await (const piece of source.read(0, source.sizeBytes)) pieces.push(Buffer.from(piece))
          const bytes = Buffer.concat(pieces)
          return (await this.#store({ kind: 'file', path, bytes, ...options })) as Attributes
        }),
      beginFile: (path, options) => this.ask(() => Promise.resolve(this.#begin(path, options))),
    }
  }

  #begin(path: string, options: Pick<SmallUpload, 'attributes' | 'replaces'>): PartedFile {
    const parts: Buffer[] = []
    this.parted += 1
    const folder = this.handedAt
    const take: NonNullable<PartedFile['handed']>['take'] = (number, pieces) =>
      this.ask(async () => {
        const bytes = pieces.map(({ file, offset, length }) => {
          const piece = readFileSync(join(folder as string, file)).subarray(offset, offset + length)
          if (piece.length < length) throw new ShoalError('INCOMPLETE_BODY', 'It is shorter')
          return piece
        })
        await this.onTake()
        parts[number - 1] = Buffer.concat(bytes)
        this.came.taken += 1
      })
    return {
      ...(folder === undefined ? {} : { handed: { folder, take } }),
      put: (number, source) =>
        this.ask(async () => {
          this.came.sent += 1
          const pieces: Uint8Array[] = []
          for await (const piece of source.read(0, source.sizeBytes)) pieces.push(Buffer.from(piece))
          parts[number - 1] = Buffer.concat(pieces)
        }),
      commit: (sizeBytes) =>
        this.ask(async () => {
          const bytes = Buffer.concat(parts)
          if (bytes.length !== sizeBytes) throw new ShoalError('UPLOAD_INCOMPLETE', 'Parts are missing')
          const made = (await this.#store({ kind: 'file', path, bytes, ...options })) as Attributes
          this.commits += 1
          if (this.losesCommits === 0) return made
          this.losesCommits -= 1
          throw new ShoalError('UNAVAILABLE', 'The connection broke')
        }),
      abort: async () => undefined,
    }
  }

  #setAttributes(path: readonly string[], attributes: AttributeChanges): Promise<Attributes> {
    if (!this.takesAttributes) throw new ShoalError('INVALID_ARGUMENT', 'There is no such type')
    return this.volume.setAttributes(path, attributes, caller)
  }

  async #store({
    kind,
    path: text,
    bytes,
    target,
    attributes = {},
    replaces,
    inode,
  }: SmallUpload): Promise<Attributes | undefined> {
    const path = parsePath(text)
    if (kind === 'directory') return this.volume.makeDirectory(path, { caller, attributes })
    if (kind === 'attributes') return this.#setAttributes(path, attributes)
    if (kind === 'symlink') return this.volume.makeSymlink(path, target as Buffer, { caller, attributes })
    if (kind === 'removal') {
      const there = await this.volume.stat(path)
      if (there === undefined) throw new ShoalError('NOT_FOUND', 'It is gone')
      if (there.inode !== inode) throw new ShoalError('PRECONDITION_FAILED', 'It is another one')
      await this.volume.remove(path, { caller })
      return undefined
    }
    const conditions: Conditions = replaces === 'absent' ? { ifNoneMatch: '*' } : { ifMatch: [replaces as string] }
    return (await this.volume.writeFile(path, bytes as Buffer, { caller, attributes, conditions })).attributes
  }
}

/** The files of a process that can be killed. */
class MortalFiles implements AppendFiles {
  readonly #open = new Set<AppendFile>()
  #isDead = false

  open(path: string): AppendFile {
    this.#check()
    const file = nodeAppendFiles.open(path)
    this.#open.add(file)
    const guarded = new Proxy(file, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (name === 'close' || name === 'drop') this.#open.delete(file)
          this.#check()
          return Reflect.apply(value, target, args) as unknown
        }
      },
    })
    return guarded
  }

  list(folder: string): readonly string[] {
    return nodeAppendFiles.list(folder)
  }

  remove(path: string): void {
    this.#check()
    nodeAppendFiles.remove(path)
  }

  kill(): void {
    this.#isDead = true
    for (const file of this.#open) file.close()
    this.#open.clear()
  }

  #check(): void {
    if (this.#isDead) throw new ShoalError('STORAGE_FAILED', 'The process is dead')
  }
}

export interface Mount extends WriteBack {
  readonly files: { kill(): void }
  /** Inodes of which the kernel was told that they aren't what it was shown. */
  readonly lost: number[]
  /** And paths. */
  readonly lostAt: string[]
  /** Directories of which the kernel was told that others had made them before. */
  readonly shared: number[]
}

export interface Bench {
  readonly cluster: FailingCluster
  readonly folder: string
  mount(
    settings?: Partial<WriteBackSettings> & {
      readonly handed?: HandedParts
      readonly log?: Log
      readonly clock?: Clock
      readonly identity?: string
      readonly hears?: () => Promise<boolean>
      readonly isSure?: () => boolean
      readonly isTold?: () => boolean
    },
  ): Promise<Mount>
  /** What the cluster has at a path, as text; of directories and absent files words for them. */
  stored(path: string): Promise<string>
  names(): Promise<string[]>
  /** How much room the volume has; `undefined`: as much as anybody wants. */
  quota(bytes: number | undefined): Promise<void>
  /** Somebody else writes a file. */
  others(path: string, text: string): Promise<void>
}

export async function openBench(t: TestContext): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-write-back-'))
  const { volume, volumes } = await openFixture({ clock: nodeClock as never })
  const cluster = new FailingCluster(volume)
  const mounts: Mount[] = []
  t.after(async () => {
    cluster.isReachable = true
    for (const { files } of mounts) files.kill()
    rmSync(folder, { recursive: true })
  })
  return {
    cluster,
    folder,
    mount: async (settings = {}) => {
      const files = new MortalFiles()
      const lost: number[] = []
      const lostAt: string[] = []
      const shared: number[] = []
      const opened = await openWriteBack({
        remote: cluster.remote,
        uploads: cluster.uploads,
        identity: 'docs',
        caller,
        clock: nodeClock,
        log: silentLog,
        isTold: () => true,
        isShown: () => true,
        onLost: (inode, paths) => {
          lost.push(inode)
          lostAt.push(...paths.map(formatPath))
        },
        onShared: (inode) => shared.push(inode),
        onSettled: () => undefined,
        files,
        folder: join(folder, 'journal'),
        statusFile: join(folder, 'status'),
        journalBytesMax: 1024 ** 3,
        isSoft: false,
        asksOnOpen: false,
        host: 'here',
        ...settings,
      })
      const mount = { ...opened, files, lost, lostAt, shared }
      mounts.push(mount)
      return mount
    },
    stored: async (path) => {
      const there = await volume.stat(parsePath(path))
      if (there === undefined) return '(absent)'
      if (there.type !== 'file') return `(${there.type})`
      return (await readAll(await volume.openFile(parsePath(path)))).toString()
    },
    names: async () => (await volume.list([], { recursive: true })).entries.map(({ path }) => path.join('/')),
    quota: async (quotaBytes) => {
      await volumes.update('docs', { quotaBytes }, caller)
    },
    others: async (path, text) => {
      await volume.writeFile(parsePath(path), Buffer.from(text), other)
    },
  }
}

export async function create({ volume }: Mount, path: string, text = ''): Promise<void> {
  const conditions = { ifNoneMatch: '*' } as const
  await volume.writeFile(parsePath(path), Buffer.alloc(0), { caller, conditions, attributes: { mode: 0o640, uid: 3, gid: 4 } })
  if (text !== '') await volume.writeAt(parsePath(path), { offset: 0, bytes: Buffer.from(text) }, caller)
}

/** Until the cluster has all, which it may have been asked for in vain just before. */
export async function settled({ volume }: Mount): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await volume.drain()
    } catch (error) {
      if (tries === 100) throw error
      await nodeClock.sleep(50)
    }
  }
}
