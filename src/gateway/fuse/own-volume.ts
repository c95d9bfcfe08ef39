import type { Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import type { AttributeChanges, OpenFile, RenameMode, Volume } from '#volume/volume.ts'
import type { OwnChanges } from './own-changes.ts'

/** Contents that are kept on the local disk. */
export interface LocalContents {
  /** The file there that is the same, byte for byte. `undefined` if there is none, or nobody has looked whether it is undamaged: it is
   *  made and looked through in the background, if all of the contents is there. */
  whole(): string | undefined
  /** That file isn't the same any more: it belongs to those who have it open. */
  release(): void
}

/** A file of a volume, of which the local disk may have something. */
export interface LocalFile extends OpenFile {
  readonly local?: LocalContents | undefined
}

/** What a mount needs of a volume. */
export type MountableVolume = { openFile(path: Path): Promise<LocalFile | undefined> } & Pick<
  Volume,
  | 'info'
  | 'stat'
  | 'list'
  | 'writeFile'
  | 'writeAt'
  | 'truncate'
  | 'punch'
  | 'reserve'
  | 'copyRange'
  | 'locate'
  | 'makeDirectory'
  | 'makeSymlink'
  | 'makeNode'
  | 'readSymlink'
  | 'link'
  | 'rename'
  | 'remove'
  | 'setAttributes'
  | 'listXattrs'
  | 'readXattr'
  | 'writeXattr'
  | 'removeXattr'
> & {
    /** What lies at a path, where that is known without asking. */
    statNow?(path: Path): Attributes | 'absent' | undefined
    /** Opens a file for reading, where nobody has to be asked or waited for. */
    openNow?(path: Path): LocalFile | undefined
    /** Makes a write at once, where it needs no waiting; else nothing is done. The bytes are the caller's again when it returns.
     *  @throws what `writeAt` rejects with */
    writeNow?(path: Path, write: { readonly offset: number; readonly bytes: Uint8Array }): Attributes | undefined
    /** Makes an empty file where the kernel has found none, in the same way. @throws what `writeFile` rejects with */
    createNow?(
      path: Path,
      attributes: { readonly mode: number; readonly uid: number; readonly gid: number },
    ): Attributes | undefined
    /** In the same way. @throws what `makeDirectory` rejects with */
    makeDirectoryNow?(
      path: Path,
      attributes: { readonly mode: number; readonly uid: number; readonly gid: number },
    ): Attributes | undefined
    /** In the same way. @throws what `makeSymlink` rejects with */
    makeSymlinkNow?(path: Path, target: Buffer, owner: { readonly uid: number; readonly gid: number }): Attributes | undefined
    /** In the same way, of what isn't a directory; whether it was done. */
    removeNow?(path: Path): boolean
    renameNow?(source: Path, target: Path, mode: RenameMode): boolean
    /** In the same way. @throws what `setAttributes` rejects with */
    setAttributesNow?(path: Path, changes: AttributeChanges): Attributes | undefined
    /** Of a volume that can't move a file that is open to a hidden name: fetches what it has, before it is removed or replaced. */
    keepOpen?(path: Path): Promise<KeptOpen>
  }

export interface KeptOpen {
  /** Its place is gone: whoever has it open finds it under the hidden name. */
  hide(hidden: Path): void
  /** It stays where it is. */
  restore(): void
}

type Arguments<M extends keyof Volume> = Volume[M] extends (...args: infer A) => unknown ? A : never
type Answer<M extends keyof Volume> = Volume[M] extends (...args: never) => infer A ? A : never

/** A volume that takes down what is changed through it. */
export class OwnVolume implements MountableVolume {
  readonly #inner: MountableVolume
  readonly #own: OwnChanges

  constructor(inner: MountableVolume, own: OwnChanges) {
    this.#inner = inner
    this.#own = own
  }

  get info(): VolumeInfo {
    return this.#inner.info
  }

  stat(...args: Arguments<'stat'>): Answer<'stat'> {
    return this.#inner.stat(...args)
  }

  list(...args: Arguments<'list'>): Answer<'list'> {
    return this.#inner.list(...args)
  }

  openFile(path: Path): Promise<LocalFile | undefined> {
    return this.#inner.openFile(path)
  }

  locate(path: Path): Answer<'locate'> {
    return this.#inner.locate(path)
  }

  readSymlink(path: Path): Answer<'readSymlink'> {
    return this.#inner.readSymlink(path)
  }

  listXattrs(path: Path): Answer<'listXattrs'> {
    return this.#inner.listXattrs(path)
  }

  readXattr(path: Path, name: string): Answer<'readXattr'> {
    return this.#inner.readXattr(path, name)
  }

  async writeFile(...args: Arguments<'writeFile'>): Answer<'writeFile'> {
    const written = this.#inner.writeFile(...args)
    await this.#own.make(
      'names',
      written.then(({ attributes }) => attributes),
    )
    return written
  }

  writeAt(...args: Arguments<'writeAt'>): Answer<'writeAt'> {
    return this.#own.make('contents', this.#inner.writeAt(...args))
  }

  truncate(...args: Arguments<'truncate'>): Answer<'truncate'> {
    return this.#own.make('contents', this.#inner.truncate(...args))
  }

  punch(...args: Arguments<'punch'>): Answer<'punch'> {
    return this.#own.make('contents', this.#inner.punch(...args))
  }

  get reserve(): Volume['reserve'] {
    const reserve = this.#inner.reserve?.bind(this.#inner)
    return reserve && ((...args) => this.#own.make('contents', reserve(...args)))
  }

  copyRange(...args: Arguments<'copyRange'>): Answer<'copyRange'> {
    return this.#own.make('contents', this.#inner.copyRange(...args))
  }

  setAttributes(...args: Arguments<'setAttributes'>): Answer<'setAttributes'> {
    return this.#own.make('contents', this.#inner.setAttributes(...args))
  }

  makeDirectory(...args: Arguments<'makeDirectory'>): Answer<'makeDirectory'> {
    return this.#own.make('names', this.#inner.makeDirectory(...args))
  }

  makeSymlink(...args: Arguments<'makeSymlink'>): Answer<'makeSymlink'> {
    return this.#own.make('names', this.#inner.makeSymlink(...args))
  }

  makeNode(...args: Arguments<'makeNode'>): Answer<'makeNode'> {
    return this.#own.make('names', this.#inner.makeNode(...args))
  }

  link(...args: Arguments<'link'>): Answer<'link'> {
    return this.#own.make('names', this.#inner.link(...args))
  }

  rename(...args: Arguments<'rename'>): Answer<'rename'> {
    return this.#own.rename([args[0], args[1]], this.#inner.rename(...args))
  }

  remove(...args: Arguments<'remove'>): Answer<'remove'> {
    return this.#own.remove(args[0], this.#inner.remove(...args))
  }

  /** Their answers tell no time: the feed's word of them is taken for somebody else's. */
  writeXattr(...args: Arguments<'writeXattr'>): Answer<'writeXattr'> {
    return this.#inner.writeXattr(...args)
  }

  removeXattr(...args: Arguments<'removeXattr'>): Answer<'removeXattr'> {
    return this.#inner.removeXattr(...args)
  }
}
