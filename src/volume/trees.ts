// Copying and removing whole trees: not one step, but many small ones, each durable.

import { ShoalError } from '#foundation/errors.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { RequestMark } from '#foundation/request-mark.ts'
import { extentsIn, type NewContents, NO_CONTENT, readInline, storeContents } from '#metadata/contents.ts'
import { createEntry, isEmptyDirectory, type NewInode, removeEntry } from '#metadata/entries.ts'
import { ensureDirectory, parentFor, putFile } from '#metadata/files.ts'
import { findEntry, type Located, reload, storeRecord } from '#metadata/inodes.ts'
import { checkGuard, withoutConditions, type WriteGuard } from '#metadata/lock-guard.ts'
import { listDirectory, scanTree } from '#metadata/listing.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { EXTENTS_AT_ONCE_MAX } from '#metadata/range-writes.ts'
import { copiedPart } from '#metadata/object-part.ts'
import type { InodeRecord } from '#metadata/record.ts'
import { once, recall } from '#metadata/remembered.ts'
import { notFound, resolveDirectory, resolveExisting, resolvePath } from '#metadata/resolve.ts'
import { LOCATED_RESULT } from '#metadata/result-codecs.ts'
import type { VolumeTransaction, VolumeView } from '#metadata/transaction.ts'
import { listXattrs, removeAllXattrs, writeXattr } from '#metadata/xattrs.ts'
import { recallEarly } from './recall-early.ts'
import type { Rewrites } from './rewrites.ts'
import type { Caller } from './volume.ts'

/** Entries handled in one transaction. */
const ENTRIES_PER_STEP = 256
/** Entries looked at for each step of a removal. */
const LOOKED_AT_PER_STEP = 10_000
export interface TreeStores {
  readonly metadata: Metadata
  readonly volume: VolumeHandle
  readonly rewrites: Rewrites
}

/** Removes everything below the directory at `path`, bottom up, and then the directory. */
export async function removeTree(
  { metadata, volume }: Pick<TreeStores, 'metadata' | 'volume'>,
  path: Path,
  { caller, guard }: { readonly caller: Caller; readonly guard?: WriteGuard },
): Promise<void> {
  const directory = await metadata.read(volume, (view) => resolveDirectory(view, path).record.inode)
  for (let step = 0; ; step += 1) {
    const isEmpty = await metadata.transact(
      volume,
      caller.principal,
      (t) => {
        const here = resolveDirectory(t, path)
        if (here.record.inode !== directory)
          throw new ShoalError('CONFLICT', `"/${formatPath(path)}" was replaced while it was being removed`)
        if (guard !== undefined) {
          const now = step === 0 ? guard : withoutConditions(guard)
          checkGuard(t, { guard: now, principal: caller.principal, nowMs: t.nowMs }, [{ kind: 'remove', path }])
        }
        const leaves = takeLeaves(t, here)
        for (const leaf of leaves) removeLeaf(t, here, leaf)
        return leaves.length === 0
      },
      { frees: true },
    )
    if (isEmpty) return
  }
}

/** Entries that can go at once: anything but a directory with something in it. */
function takeLeaves(t: VolumeTransaction, directory: Located): Path[] {
  const leaves: Path[] = []
  let lookedAt = 0
  for (const { path, record } of scanTree(t, directory.record.inode)) {
    lookedAt += 1
    if (record.type !== 'directory' || isEmptyDirectory(t, record.inode)) leaves.push(path)
    if (leaves.length === ENTRIES_PER_STEP || (lookedAt >= LOOKED_AT_PER_STEP && leaves.length > 0)) break
  }
  return leaves
}

function removeLeaf(t: VolumeTransaction, top: Located, path: Path): void {
  let parent = top
  for (const name of path.slice(0, -1)) {
    parent = findEntry(t, parent.record.inode, { name, form: 'directory' }) as Located
  }
  const name = path.at(-1) as string
  const target =
    findEntry(t, parent.record.inode, { name, form: 'file' }) ?? findEntry(t, parent.record.inode, { name, form: 'directory' })
  if (target !== undefined) removeEntry(t, parent, { name, target })
}

export interface CopyOptions {
  readonly caller: Caller
  readonly recursive?: boolean
  readonly createParents?: boolean
  readonly replace?: boolean
  readonly depth?: 'self'
  readonly exact?: boolean
  readonly guard?: WriteGuard
}

/** Copies one entry by reference; a directory with all that is below it. */
export async function copyTree(
  stores: TreeStores,
  paths: { source: Path; target: Path },
  options: CopyOptions,
): Promise<Located> {
  const { metadata, volume } = stores
  const { source, target } = paths
  const { caller, guard } = options
  const check = (t: VolumeTransaction, now: WriteGuard): void =>
    checkGuard(t, { guard: now, principal: caller.principal, nowMs: t.nowMs }, [{ kind: 'replace', path: target }])
  const before = caller.request && (await recallEarly(metadata, caller, LOCATED_RESULT))
  if (before !== undefined) return before.result
  const top = await copyEntries(stores, [{ source, target }], {
    ...options,
    request: caller.request,
    beforeStep: (t) => {
      if (guard !== undefined) check(t, guard)
    },
  })
  if (top === undefined) throw notFound(source)
  if (!isTree(top, options)) return top
  let cursor: string | undefined
  do {
    const request = { limit: ENTRIES_PER_STEP, recursive: true, ...(cursor === undefined ? {} : { cursor }) }
    const page = await metadata.read(volume, (view) => listDirectory(view, resolveDirectory(view, source).record.inode, request))
    const below = page.entries.map(({ path }) => ({ source: [...source, ...path], target: [...target, ...path] }))
    await copyEntries(stores, below, {
      ...options,
      createParents: true,
      beforeStep: (t) => {
        if (guard !== undefined) check(t, withoutConditions(guard))
      },
    })
    cursor = page.next
  } while (cursor !== undefined)
  const { principal, request } = caller
  if (request === undefined) return metadata.read(volume, (view) => resolveExisting(view, target))
  return metadata.transact(volume, principal, (t) => once(t.tx, request, LOCATED_RESULT, () => resolveExisting(t, target)))
}

/** Whether there is more to copy than the entry itself. */
function isTree({ record }: Located, { depth }: CopyOptions): boolean {
  return record.type === 'directory' && depth !== 'self'
}

interface EntryPaths {
  readonly source: Path
  readonly target: Path
}

interface StepOptions {
  readonly beforeStep: (t: VolumeTransaction) => void
  /** Of the copy of a single entry, which is done with it. */
  readonly request?: RequestMark | undefined
}

/** Copies entries in as few transactions as their extents allow, a file of too many for any in steps of its own. What is
 *  gone by now is not copied. The answer is the last copy. */
async function copyEntries(
  { rewrites, volume }: TreeStores,
  entries: readonly EntryPaths[],
  { beforeStep, request, ...options }: CopyOptions & StepOptions,
): Promise<Located | undefined> {
  const { principal } = options.caller
  const rememberCopy = (t: VolumeTransaction, copied: Located | undefined): void => {
    if (copied !== undefined && !isTree(copied, options)) once(t.tx, request, LOCATED_RESULT, () => copied)
  }
  let last: Located | undefined
  for (let at = 0; at < entries.length;) {
    const paths = entries[at] as EntryPaths
    let large: InodeRecord | undefined
    at = await rewrites.run<number>({
      volume,
      principal,
      begin: (t) => {
        const known = request && recall(t.tx, request, LOCATED_RESULT)
        if (known !== undefined) {
          last = known.result
          return { result: entries.length }
        }
        beforeStep(t)
        let left = EXTENTS_AT_ONCE_MAX
        for (const [index, entry] of entries.slice(at).entries()) {
          const record = resolvePath(t, entry.source)?.record
          if (record === undefined) continue
          left -= countExtents(t, record, left)
          if (left < 0 && index > 0) return { result: at + index }
          if (left < 0) {
            large = record
            const { sizeBytes } = record
            return { rewrite: { pieces: [{ contents: record, start: 0, end: sizeBytes, target: 0 }], sizeBytes } }
          }
          last = copyEntry(t, entry, options)
        }
        rememberCopy(t, last)
        return { result: entries.length }
      },
      publish: (t, take) => {
        const known = request && recall(t.tx, request, LOCATED_RESULT)
        if (known !== undefined) {
          last = known.result
          return at + 1
        }
        beforeStep(t)
        if (resolvePath(t, paths.source) !== undefined)
          last = copyEntry(t, paths, options, { sha256: large?.sha256, object: large?.object, contents: take })
        rememberCopy(t, last)
        return at + 1
      },
    })
  }
  return last
}

/** Up to one more than `limit`. */
function countExtents(view: VolumeView, record: InodeRecord, limit: number): number {
  let count = 0
  for (const _ of extentsIn(view, record, { start: 0, end: record.sizeBytes })) {
    count += 1
    if (count > limit) break
  }
  return count
}

/** Contents of a file that are made already, as it had them then. */
interface MadeContents {
  readonly sha256: Buffer | undefined
  readonly object: Buffer | undefined
  readonly contents: () => NewContents
}

function copyEntry(t: VolumeTransaction, { source, target }: EntryPaths, options: CopyOptions, made?: MadeContents): Located {
  const from = resolveExisting(t, source)
  const { record } = from
  if (record.type === 'directory') return copyDirectory(t, from, { source, target }, options)
  const { parent, name } = parentFor(t, target, options.createParents === true)
  const existing = findEntry(t, parent.record.inode, { name, form: 'file' })
  if (existing !== undefined && existing.record.inode === record.inode) return existing
  if (existing !== undefined && options.replace === false)
    throw new ShoalError('ALREADY_EXISTS', `There is something at "/${formatPath(target)}" already`)
  const object = copiedPart((made ?? record).object)
  if (record.type === 'file' && (existing === undefined || existing.record.type === 'file')) {
    const attributes = { mode: record.mode, uid: record.uid, gid: record.gid, mtimeNs: record.mtimeNs }
    const { sha256 } = made ?? record
    const contents = made?.contents() ?? contentsOf(t, from)
    const { located } = putFile(t, target, { contents, sha256, attributes, object })
    return copyXattrs(t, from, options.exact === true ? withoutXattrs(t, located) : located)
  }
  if (existing !== undefined) removeEntry(t, parent, { name, target: existing })
  const contents = record.type === 'file' ? made?.contents() : undefined
  const fields =
    record.type === 'file' || record.type === 'symlink' ? storeContents(t, contents ?? contentsOf(t, from)) : NO_CONTENT
  const { type, mode, uid, gid, rdev, mtimeNs } = record
  const { sha256 } = made ?? record
  const inode: NewInode = { type, mode, uid, gid, rdev, mtimeNs, sha256, contents: fields, object }
  return copyXattrs(t, from, createEntry(t, parent, { name, inode }))
}

function copyDirectory(
  t: VolumeTransaction,
  from: Located,
  { source, target }: { source: Path; target: Path },
  options: CopyOptions,
): Located {
  if (options.recursive !== true && options.depth !== 'self')
    throw new ShoalError('IS_A_DIRECTORY', `"/${formatPath(source)}" is a directory: copy it recursively`)
  const isBelow = target.length >= source.length && source.every((name, index) => target[index] === name)
  if (isBelow && options.depth !== 'self')
    throw new ShoalError('MOVE_INTO_ITSELF', `"/${formatPath(source)}" can't be copied into itself`)
  if (target.length === 0) return resolveDirectory(t, target)
  const { parent, name } = parentFor(t, target, options.createParents === true)
  const existing = findEntry(t, parent.record.inode, { name, form: 'directory' })
  if (existing !== undefined) return existing
  if (findEntry(t, parent.record.inode, { name, form: 'file' }) !== undefined) return ensureDirectory(t, target)
  const { mode, uid, gid, mtimeNs } = from.record
  return copyXattrs(t, from, createEntry(t, parent, { name, inode: { type: 'directory', mode, uid, gid, mtimeNs } }))
}

function withoutXattrs(t: VolumeTransaction, located: Located): Located {
  if (!located.record.hasXattrs) return located
  removeAllXattrs(t, located.record.inode)
  return storeRecord(t, located, { ...located.record, hasXattrs: false })
}

function copyXattrs(t: VolumeTransaction, from: Located, to: Located): Located {
  if (!from.record.hasXattrs) return to
  for (const { name, value } of listXattrs(t, from.record.inode)) writeXattr(t, reload(t, to), { name, value })
  return reload(t, to)
}

function contentsOf(t: VolumeTransaction, { record }: Located): NewContents {
  if (record.form === 'inline') return { kind: 'inline', bytes: readInline(t, record) }
  return {
    kind: 'extents',
    extents: [...extentsIn(t, record, { start: 0, end: record.sizeBytes })],
    sizeBytes: record.sizeBytes,
  }
}
