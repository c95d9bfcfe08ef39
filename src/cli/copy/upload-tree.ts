import { lstatSync, readlinkSync, statSync } from 'node:fs'
import { formatTimestamp } from '#foundation/timestamp.ts'
import type { RemoteEntry } from '#client/wire.ts'
import { isShoalError } from '#foundation/errors.ts'
import { decodeName } from '#foundation/name.ts'
import { baseName, joinPath } from '../location.ts'
import type { CopyContext } from './copy-context.ts'
import { octal } from './file-source.ts'
import { withLocalPath } from './local-path.ts'
import { walkLocal } from './local-walk.ts'
import type { LocalItem } from './local-walk.ts'
import { SmallFileBatches } from './small-file-batches.ts'
import { TaskPool } from './task-pool.ts'
import { isUnchanged } from './unchanged.ts'
import { uploadFile } from './upload-file.ts'

export interface TreeUpload {
  readonly local: Buffer
  readonly volume: string
  readonly path: string
}

interface DirectoryToFinish {
  readonly path: string
  readonly mode: string
  readonly mtime: string
}

/** Files are read without yielding, which is what makes small ones cheap; so often the network gets its turn. */
const FILES_PER_TURN = 50

/** Copies a local directory into a volume, so that the directory at `path` becomes its copy or is merged with it. */
export async function uploadTree(context: CopyContext, upload: TreeUpload): Promise<void> {
  await new TreeUploader(context, upload).run()
}

class TreeUploader {
  readonly #context: CopyContext
  readonly #upload: TreeUpload
  readonly #batches: SmallFileBatches
  readonly #large: TaskPool
  /** Mode and time are set at the end: while something is still being made in a directory, its time changes. */
  readonly #directories: DirectoryToFinish[] = []
  /** What is there already in the directory at hand, by name; `undefined` when everything is new. */
  #present: Map<string, RemoteEntry> | undefined
  #presentFor: string | undefined
  #isNew = false
  #filesInTurn = 0

  constructor(context: CopyContext, upload: TreeUpload) {
    this.#context = context
    this.#upload = upload
    this.#batches = new SmallFileBatches(context, { volume: upload.volume, base: upload.path })
    this.#large = new TaskPool(context.settings.parallel)
  }

  async run(): Promise<void> {
    const { client, report, settings } = this.#context
    const { local, volume, path } = this.#upload
    if (settings.update) this.#isNew = (await client.findEntry(volume, path, { signal: report.signal })) === undefined
    if (path !== '') await client.makeDirectory(volume, path, { parents: true })
    for (const item of walkLocal(local, {
      follow: settings.follow,
      onError: (where, error) => report.fail(where.toString(), error),
    })) {
      if (report.stopped) break
      try {
        await this.#take(item)
      } catch (error) {
        report.fail(item.local.toString(), error)
      }
    }
    await this.#batches.flush()
    await this.#large.idle()
    if (!report.stopped) await this.#finishDirectories()
  }

  async #take(item: LocalItem): Promise<void> {
    const { report } = this.#context
    if (item.kind === 'file') await this.#takeFile(item)
    else if (item.kind === 'symlink') await this.#takeLink(item)
    else if (item.kind === 'left') await this.#leaveDirectory(item)
    else if (item.kind === 'special')
      report.warn(item.local.toString(), 'Skipped: it is neither a file, a directory nor a symbolic link')
  }

  async #takeFile({ local, path }: LocalItem): Promise<void> {
    const { settings } = this.#context
    if (settings.update && (await this.#isThere(local, path))) return
    if (await this.#batches.addFile(path, local)) return this.#yield()
    const { volume, path: base } = this.#upload
    // Compared above already: asking again would cost a call a file.
    const context = settings.update ? { ...this.#context, settings: { ...settings, update: false } } : this.#context
    await this.#large.start(() => uploadFile(context, { local, volume, path: joinPath(base, path) }))
  }

  async #yield(): Promise<void> {
    this.#filesInTurn += 1
    if (this.#filesInTurn < FILES_PER_TURN) return
    this.#filesInTurn = 0
    await new Promise((resolve) => setImmediate(resolve))
  }

  async #takeLink({ local, path }: LocalItem): Promise<void> {
    const target = decodeName(withLocalPath(local, (short) => readlinkSync(short, { encoding: 'buffer' })))
    await this.#batches.addRecord({ path, size: 0, type: 'symlink', target })
  }

  async #leaveDirectory({ local, path, count }: LocalItem): Promise<void> {
    const facts = withLocalPath(local, (short) => statSync(short, { bigint: true }))
    const directory = { path, mode: octal(Number(facts.mode) & 0o7777), mtime: formatTimestamp(facts.mtimeNs) }
    this.#directories.push(directory)
    this.#context.report.directories += 1
    // Others come into being with what is in them.
    if (count === 0 && path !== '') await this.#batches.addRecord({ path, size: 0, type: 'directory', mode: directory.mode })
  }

  async #isThere(local: Buffer, path: string): Promise<boolean> {
    const remote = (await this.#presentIn(path))?.get(baseName(path))
    if (remote === undefined) return false
    const { size, mtimeNs } = withLocalPath(local, (short) =>
      (this.#context.settings.follow ? statSync : lstatSync)(short, { bigint: true }),
    )
    const facts = { sizeBytes: Number(size), mtimeNs }
    if (!(await isUnchanged(this.#context, { volume: this.#upload.volume, remote, local, facts }))) return false
    this.#context.report.skip(facts.sizeBytes)
    return true
  }

  /** What the volume has in the directory of `path`: one listing a directory. */
  async #presentIn(path: string): Promise<Map<string, RemoteEntry> | undefined> {
    if (this.#isNew) return undefined
    const directory = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
    if (this.#presentFor === directory) return this.#present
    const present = new Map<string, RemoteEntry>()
    try {
      for await (const entry of this.#context.client.list(this.#upload.volume, joinPath(this.#upload.path, directory)))
        present.set(entry.name, entry)
    } catch (error) {
      if (!isShoalError(error, 'NOT_FOUND')) throw error
    }
    this.#presentFor = directory
    this.#present = present
    return present
  }

  async #finishDirectories(): Promise<void> {
    const { client, report, settings } = this.#context
    const { volume, path: base } = this.#upload
    const pool = new TaskPool(settings.parallel)
    for (const { path, mode, mtime } of this.#directories) {
      if (report.stopped) break
      // The root of a volume keeps its own.
      if (base === '' && path === '') continue
      await pool.start(async () => {
        try {
          await client.setAttributes(volume, joinPath(base, path), { mode, mtime })
        } catch (error) {
          report.fail(`${volume}:/${joinPath(base, path)}`, error)
        }
      })
    }
    await pool.idle()
  }
}
