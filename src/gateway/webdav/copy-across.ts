import { ShoalError } from '#foundation/errors.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { GuardedVolume, WriteGuard } from '#volume/locks.ts'
import type { Caller, Entry } from '#volume/volume.ts'
import type { DavRequest } from './dav-request.ts'

const ENTRIES_PER_PAGE = 1_000
/** Files under way at a time: while one waits for the disk, another is read. */
const FILES_AT_A_TIME = 4

interface Side {
  readonly volume: GuardedVolume
  readonly path: Path
}

interface Copying {
  readonly source: Side & { readonly found: Attributes }
  readonly target: Side
  readonly caller: Caller
  /** With everything below. */
  readonly isWhole: boolean
}

/** Copies between volumes, by reading and writing. A tree is not copied in one step: entries appear one by one. */
export async function copyAcross({ services, exchange }: DavRequest, copying: Copying, guard: WriteGuard): Promise<void> {
  const { source, isWhole } = copying
  const copier = new Copier(copying, guard)
  await services.uploads.enterInTurn(services.clock, exchange.signal)
  try {
    await copier.copyEntry([], source.found)
    if (source.found.type !== 'directory' || !isWhole) return
    let cursor: string | undefined
    do {
      const from = cursor === undefined ? {} : { cursor }
      const page = await source.volume.list(source.path, { recursive: true, limit: ENTRIES_PER_PAGE, ...from })
      await copyPage(copier, page.entries)
      cursor = page.next
    } while (cursor !== undefined)
  } finally {
    services.uploads.leave()
  }
}

/** First the directories, in the order of the listing, then a few files at a time. Ends when nothing is under way any more. */
async function copyPage(copier: Copier, entries: readonly Entry[]): Promise<void> {
  const files = entries.filter(({ attributes }) => attributes.type !== 'directory')
  for (const { path, attributes } of entries) if (attributes.type === 'directory') await copier.copyEntry(path, attributes)
  const work = async (): Promise<void> => {
    try {
      for (let next = files.pop(); next !== undefined; next = files.pop()) await copier.copyEntry(next.path, next.attributes)
    } catch (error) {
      files.length = 0
      throw error
    }
  }
  const results = await Promise.allSettled(Array.from({ length: FILES_AT_A_TIME }, work))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

class Copier {
  readonly #copying: Copying
  readonly #guard: WriteGuard

  constructor(copying: Copying, guard: WriteGuard) {
    this.#copying = copying
    this.#guard = guard
  }

  async copyEntry(below: Path, attributes: Attributes): Promise<void> {
    const { source, target, caller } = this.#copying
    const from = [...source.path, ...below]
    const to = [...target.path, ...below]
    const { type, mode, uid, gid, mtimeNs, rdev } = attributes
    if (type === 'directory') await target.volume.makeDirectory(to, { caller, mode, guard: this.#guard })
    else if (type === 'symlink') await target.volume.makeSymlink(to, await source.volume.readSymlink(from), { caller })
    else if (type === 'file') await this.#copyFile(from, to, { mode, uid, gid, mtimeNs })
    else await target.volume.makeNode(to, { type, mode, rdev }, caller)
    for (const name of await source.volume.listXattrs(from)) {
      const value = await source.volume.readXattr(from, name)
      if (value !== undefined) await target.volume.writeXattr(to, { name, value }, caller)
    }
  }

  async #copyFile(from: Path, to: Path, attributes: Pick<Attributes, 'mode' | 'uid' | 'gid' | 'mtimeNs'>): Promise<void> {
    const { source, target, caller } = this.#copying
    const file = await source.volume.openFile(from)
    if (file === undefined) throw new ShoalError('CONFLICT', `"/${formatPath(from)}" was removed while it was being copied`)
    try {
      const { sizeBytes } = file.attributes
      const body = file.bytes ?? file.read({ offset: 0, length: sizeBytes })
      await target.volume.writeFile(to, body, { caller, guard: this.#guard, attributes, expected: { sizeBytes } })
    } finally {
      file.close()
    }
  }
}
