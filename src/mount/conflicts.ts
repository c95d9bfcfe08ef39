import { isShoalError } from '#foundation/errors.ts'
import { encodeName } from '#foundation/name.ts'
import { parsePath, type Path } from '#foundation/path.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { OpenFile } from '#volume/volume.ts'
import { nameOf, parentOf, type PendingUnit } from './pending-unit.ts'
import { sendUnit, stretches, type UnitTarget, wholeOf } from './upload-units.ts'

const NAME_BYTES_MAX = 255
const TRIES = 100
/** Of an inode that was just made. */
const FIRST_VERSION = 1
const COMPARED_BYTES_MAX = 64 * 1024 * 1024

export interface ConflictsOptions extends UnitTarget {
  readonly clock: Clock
  readonly log: Log
  /** Shown in the names of files that lost. */
  readonly host: string
}

/** How a unit ended that the cluster refused as it was. */
export interface Settlement {
  readonly entry: Attributes | undefined
  /** The version of this mount lies there. */
  readonly movedTo?: string
  /** What was shown isn't what is there. */
  readonly isLost: boolean
  /** Of a directory: somebody else's is taken for it. */
  readonly isShared?: boolean
}

/** What becomes of a change that somebody else's has made impossible. The cluster has the word on who was first; of what was
 *  written here nothing is lost: it lies beside, under a name that says so. A change that is there already, since only its
 *  answer was lost, is no conflict. */
export class Conflicts {
  readonly #options: ConflictsOptions
  #count = 0

  constructor(options: ConflictsOptions) {
    this.#options = options
  }

  /** Since the mount began. */
  get count(): number {
    return this.#count
  }

  /** @throws what the cluster says, so that it is tried again */
  async settle(unit: PendingUnit, cause: unknown): Promise<Settlement> {
    const there = await this.#options.volume.stat(parsePath(unit.node.movedTo ?? unit.path))
    switch (unit.kind) {
      case 'mkdir':
        if (there?.type === 'directory') return { entry: there, isLost: false, isShared: true }
        return this.#given(unit, cause, 'A directory could not be made: its place is taken, or the directory above is gone')
      case 'symlink':
        return this.#settleLink(unit, there)
      case 'remove':
        // Gone is gone; another one isn't what was removed.
        if (there === undefined || !isShoalError(cause, 'DIRECTORY_NOT_EMPTY'))
          return { entry: undefined, isLost: there !== undefined }
        return this.#given(unit, cause, 'A directory stays: others have put something into it')
      case 'rename':
        return this.#settleRename(unit, { there, cause })
      case 'attributes':
        return this.#given(unit, cause, 'Attributes could not be changed: there is nothing by that name any more')
      case 'file':
        if (unit.layer === undefined)
          return this.#given(unit, cause, 'Attributes could not be changed: there is nothing by that name any more')
        if (there !== undefined && (await this.#isBegun(unit, there)))
          return { entry: await this.#goOn(unit, there), isLost: false }
        if (there !== undefined && (await this.#isDone(unit, there)))
          return { entry: await this.#finished(unit, there), isLost: false }
        if (unit.isMaking && unit.layer.sizeBytes === 0 && unit.node.pending === 1 && there?.type === 'file')
          return { entry: there, isLost: true }
        return this.#keep(unit, there)
    }
  }

  /** Whether the cluster has nothing of a unit that it refuses, or what it has is what the unit builds on from now on. */
  async isUndone(unit: PendingUnit): Promise<boolean> {
    const { node } = unit
    const there = await this.#options.volume.stat(parsePath(node.movedTo ?? unit.path))
    if (there === undefined || node.base === undefined) {
      if (there === node.base) return true
    } else if (entityTag(there) === entityTag(node.base)) return true
    if (there === undefined || unit.kind !== 'file' || !(await this.#isBegun(unit, there))) return false
    node.base = there
    return true
  }

  /** Nothing of it can be kept. */
  #given(unit: PendingUnit, cause: unknown, message: string): Settlement {
    this.#count += 1
    this.#options.log.warn(message, { path: unit.path, error: cause })
    return { entry: unit.node.base, isLost: true }
  }

  async #settleLink(unit: PendingUnit, there: Attributes | undefined): Promise<Settlement> {
    const { volume, caller } = this.#options
    const { target } = unit.node
    if (target === undefined) return { entry: there, isLost: true }
    const isSame = there?.type === 'symlink' && (await volume.readSymlink(parsePath(unit.path))).equals(target)
    if (isSame) return { entry: there, isLost: false }
    return this.#beside(unit, (path) => volume.makeSymlink(path, target, { caller, createParents: true }))
  }

  async #settleRename(
    unit: PendingUnit,
    { there, cause }: { readonly there: Attributes | undefined; readonly cause: unknown },
  ): Promise<Settlement> {
    const { volume, caller } = this.#options
    const to = unit.to as string
    const { base } = unit.node
    const target = await volume.stat(parsePath(to))
    if (target !== undefined && target.inode === base?.inode) return { entry: target, isLost: false }
    if (there === undefined || there.inode !== base?.inode)
      return this.#given(unit, cause, 'A file could not be renamed: others have moved or removed it')
    const from = parsePath(unit.node.movedTo ?? unit.path)
    return this.#beside({ ...unit, path: to }, (path) =>
      volume.rename(from, path, { caller, mode: 'no-replace', createParents: true }),
    )
  }

  /** Whether the cluster has the contents already. */
  async #isDone(unit: PendingUnit, there: Attributes): Promise<boolean> {
    const { volume, readJournal } = this.#options
    const { layer, node } = unit
    if (layer === undefined || there.type !== 'file' || there.sizeBytes !== layer.sizeBytes) return false
    if (!unit.isMaking && there.inode !== node.base?.inode) return false
    if (layer.runs.reduce((sum, { length }) => sum + length, 0) > COMPARED_BYTES_MAX) return false
    const file = await volume.openFile(parsePath(node.movedTo ?? unit.path))
    if (file === undefined || entityTag(file.attributes) !== entityTag(there)) return false
    const ranges = !layer.isInParts
      ? [{ offset: 0, bytes: wholeOf(layer, readJournal) }]
      : [...stretches(layer)].map(({ offset, pieces }) => ({
          offset,
          bytes: Buffer.concat(pieces.map(({ place, length }) => readJournal(place, length))),
        }))
    for (const { offset, bytes } of ranges) {
      if (!(await bytesIn(file, { offset, length: bytes.length })).equals(bytes)) return false
    }
    return true
  }

  /** Whether the cluster has the first ones of several writes, and nothing else has happened to the file. */
  async #isBegun({ layer, node, path, isMaking }: PendingUnit, there: Attributes): Promise<boolean> {
    const { volume, readJournal } = this.#options
    // What is made in parts is empty at first.
    const base = node.base ?? (isMaking ? { ...there, version: FIRST_VERSION, sizeBytes: 0 } : undefined)
    if (layer?.isInParts !== true || there.type !== 'file' || there.inode !== base?.inode) return false
    const isCut = layer.shownBytes < base.sizeBytes
    const steps = there.version - base.version - (isCut ? 1 : 0)
    const writes = [...stretches(layer)].slice(0, Math.max(0, steps))
    if (steps < 0 || steps > writes.length) return false
    const end = Math.max(
      isCut ? layer.shownBytes : base.sizeBytes,
      ...writes.map(({ offset, pieces }) => offset + lengthOf(pieces)),
    )
    if (there.sizeBytes !== end) return false
    const file = await volume.openFile(parsePath(node.movedTo ?? path))
    if (file === undefined || entityTag(file.attributes) !== entityTag(there)) return false
    for (const { offset, pieces } of writes) {
      const bytes = Buffer.concat(pieces.map(({ place, length }) => readJournal(place, length)))
      if (!(await bytesIn(file, { offset, length: bytes.length })).equals(bytes)) return false
    }
    return true
  }

  /** All of it once more, over what is there. */
  async #goOn(unit: PendingUnit, there: Attributes): Promise<Attributes> {
    unit.node.base = there
    return (await sendUnit(unit, this.#options)) ?? there
  }

  async #finished(unit: PendingUnit, there: Attributes): Promise<Attributes> {
    const { volume, caller } = this.#options
    const { mode, uid, gid, mtimeNs } = unit.changes
    const isSame =
      (mode ?? there.mode) === there.mode &&
      (uid ?? there.uid) === there.uid &&
      (gid ?? there.gid) === there.gid &&
      (mtimeNs ?? there.mtimeNs) === there.mtimeNs
    return isSame ? there : volume.setAttributes(parsePath(unit.node.movedTo ?? unit.path), unit.changes, caller)
  }

  /** Stores what this mount has of a file beside it: over a copy of what is there, if not the whole was written here. */
  async #keep(unit: PendingUnit, there: Attributes | undefined): Promise<Settlement> {
    const { volume, caller, uploads } = this.#options
    const source = parsePath(unit.node.movedTo ?? unit.path)
    const isPart = unit.layer?.isWhole === false && there?.type === 'file'
    return this.#beside(unit, async (path) => {
      const { mode, uid, gid, mtimeNs } = unit.node.attributes
      const attributes = { mode, uid, gid, mtimeNs }
      const empty = {
        kind: 'file' as const,
        path: path.join('/'),
        bytes: Buffer.alloc(0),
        attributes,
        replaces: 'absent' as const,
      }
      const [made] = await uploads.storeSmall([empty])
      if (made === undefined || made instanceof Error) throw made ?? new Error('A batch gave no entry')
      let base = made
      if (isPart) {
        const copy = { source, sourceOffset: 0, target: path, targetOffset: 0, length: there.sizeBytes }
        base = await volume.copyRange(copy, caller)
      }
      const node = { ...unit.node, base, movedTo: path.join('/') }
      return (await sendUnit({ ...unit, isMaking: false, node, changes: attributes }, this.#options)) ?? base
    })
  }

  async #beside(unit: PendingUnit, make: (path: Path) => Promise<Attributes>): Promise<Settlement> {
    const { clock, host, log } = this.#options
    this.#count += 1
    const stamp = formatTimestamp(clock.nowNs()).slice(0, 19).replaceAll(/[-:]/g, '')
    for (let tries = 1; ; tries += 1) {
      const ending = `.conflict-${host}-${stamp}Z${tries === 1 ? '' : `-${tries}`}`
      const name = shortened(nameOf(unit.path), NAME_BYTES_MAX - encodeName(ending).length) + ending
      // Where the directory is gone, too, the root is there.
      const folders = [parentOf(unit.path), '']
      for (const folder of folders) {
        const movedTo = folder === '' ? name : `${folder}/${name}`
        try {
          const entry = await make(parsePath(movedTo))
          log.warn('Somebody else was first: what was changed here lies beside it', { path: unit.path, conflict: movedTo })
          return { entry, movedTo, isLost: true }
        } catch (error) {
          const isTaken = isShoalError(error, 'ALREADY_EXISTS') || isShoalError(error, 'PRECONDITION_FAILED')
          if (isTaken && tries < TRIES) break
          const isGone = isShoalError(error, 'NOT_FOUND') || isShoalError(error, 'NOT_A_DIRECTORY')
          if (!isGone || folder === '') throw error
        }
      }
    }
  }
}

async function bytesIn(file: OpenFile, range: { readonly offset: number; readonly length: number }): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of file.read(range)) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

function lengthOf(pieces: readonly { readonly length: number }[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

function shortened(name: string, bytesMax: number): string {
  let short = name
  while (encodeName(short).length > bytesMax) short = short.slice(0, -1)
  return short
}
