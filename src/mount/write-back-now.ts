import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { formatPath, parsePath, type Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { AttributeChanges, RangeWrite, RenameMode } from '#volume/volume.ts'
import { checkEnd } from './content-layer.ts'
import { given, type JournalChange } from './journal-record.ts'
import type { TouchedFolders } from './touched-folders.ts'
import type { Uploader } from './uploader.ts'
import { isLockFile } from './lock-file.ts'
import type { Found, WriteBackReads, WriteBackReadsOptions } from './write-back-reads.ts'

export interface WriteBackOptions extends WriteBackReadsOptions {
  readonly uploader: Uploader
  readonly touched: Pick<TouchedFolders, 'flush' | 'over'>
}

export type Touched = Pick<JournalChange, 'path' | 'inode' | 'timeNs'> & { readonly base?: Attributes }

/** Of what gets another name, and what is at that. */
export interface Moved {
  readonly from: string
  readonly to: string
  readonly found: Found
  readonly there: Found | undefined
}

export interface Renaming extends Moved {
  readonly mode: RenameMode
}

/** Of what is made. */
export interface Owned {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** Takes changes into the journal, and makes those for which nothing has to be asked or waited for in the turn in which they are asked
 *  for. The answer `undefined` says that nothing was done. */
export class WriteBackNow {
  readonly #options: WriteBackOptions
  readonly #reads: WriteBackReads

  constructor(options: WriteBackOptions, reads: WriteBackReads) {
    this.#options = options
    this.#reads = reads
  }

  write(path: Path, { offset, bytes }: Pick<RangeWrite, 'offset' | 'bytes'>): Attributes | undefined {
    checkEnd(offset + bytes.length)
    const text = formatPath(path)
    const here = this.#options.state.isFull(bytes.length) ? undefined : this.#reads.at(text)
    if (here === undefined) return undefined
    this.record({ op: 'write', ...this.touched(text, here), offset, length: bytes.length }, bytes)
    return this.shownAt(text)
  }

  /** An empty file or directory, or a link to what `target` says in base64, where the kernel has found nothing in the cluster.
   *  @throws INVALID_PATH */
  make(op: 'create' | 'mkdir' | 'symlink', path: Path, asked: Owned & { readonly target?: string }): Attributes | undefined {
    const text = formatPath(path)
    parsePath(text)
    if (this.#options.state.isFull(0) || this.#reads.isMadeThereNow(path) !== false) return undefined
    // Whoever waits says that it is there.
    if (this.#reads.at(text) !== undefined) return undefined
    const { mode, uid, gid, target } = asked
    this.record({ op, ...this.made(text), mode, uid, gid, ...(target === undefined ? {} : { target }) })
    return this.shownAt(text)
  }

  setAttributes(path: Path, changes: AttributeChanges): Attributes | undefined {
    if (path.length === 0) return undefined
    const { tree, clock, state } = this.#options
    const text = formatPath(path)
    if (tree.retouch(text, changes, clock.nowNs())) return this.shownAt(text)
    const here = state.isFull(0) ? undefined : this.#reads.at(text)
    if (here === undefined) return undefined
    this.record({ op: 'attributes', ...this.touched(text, here), changes: given(changes) })
    return this.shownAt(text)
  }

  /** Of what isn't a directory, nor a lock file. Whether it was done. */
  remove(path: Path): boolean {
    if (isLockFile(path)) return false
    const text = formatPath(path)
    const here = this.#options.state.isFull('freeing') ? undefined : this.#reads.at(text)
    if (here === undefined || here.shown.type === 'directory') return false
    this.record({ op: 'remove', ...this.touched(text, here) })
    return true
  }

  /** Of what isn't a directory, onto nothing or what isn't one either. Whether it was done. @throws INVALID_PATH */
  rename(source: Path, target: Path, mode: RenameMode): boolean {
    const [from, to] = [formatPath(source), formatPath(target)]
    parsePath(to)
    if (mode === 'exchange' || this.#options.state.isFull(0)) return false
    const [found, there] = [this.#reads.at(from), this.#reads.at(to)]
    if (found === undefined || found.shown.type === 'directory') return false
    if (there === undefined) {
      if (this.#reads.statNow(target) !== 'absent') return false
    } else if (mode === 'no-replace' || there.shown.type === 'directory' || there.shown.inode === found.shown.inode) return false
    this.moved({ from, to, found, there })
    return true
  }

  moved({ from, to, found, there }: Moved): void {
    const replaces = there === undefined ? {} : { replaces: { inode: there.shown.inode, ...there.base } }
    this.record({ op: 'rename', ...this.touched(from, found), to, ...replaces })
  }

  /** @throws NO_SPACE, STORAGE_FAILED */
  record(change: JournalChange, bytes?: Uint8Array): void {
    const { state, known, uploader } = this.#options
    state.record(change, bytes)
    const { op, path } = change
    if (op === 'create' || op === 'mkdir' || op === 'symlink') known.added(path, op === 'mkdir')
    else if (op === 'remove' || op === 'rename') known.removed(path)
    else known.forget(path)
    if (op === 'rename') known.added(change.to, false)
    if (op === 'write') uploader.grown(path)
    uploader.changed()
  }

  /** Of something new at a path. */
  made(path: string): { readonly path: string; readonly inode: InodeId; readonly timeNs: bigint } {
    return { path, inode: this.#options.journal.newInode(), timeNs: this.#options.clock.nowNs() }
  }

  /** Of what was found at a path. */
  touched(path: string, { shown, base }: Found): Touched {
    return { path, inode: shown.inode, ...base, timeNs: this.#options.clock.nowNs() }
  }

  /** What is pending at a path. */
  shownAt(path: string): Attributes {
    const node = this.#options.tree.find(path)
    if (typeof node === 'string') throw new ShoalError('NOT_FOUND', `There is no "/${path}"`)
    return this.#options.state.shownNode(path, node)
  }
}
