import type { InodeId } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import type { MountedNode } from '#gateway/fuse/inode-table.ts'
import { ROOT_NODE } from '#gateway/fuse/inode-table.ts'
import type { MountedVolume } from '#gateway/fuse/mounted-volume.ts'
import type { Notification } from '#gateway/fuse/protocol/notifications.ts'
import { type Notify, RemoteChanges } from '#gateway/fuse/remote-changes.ts'
import type { Change } from '#volume/volume.ts'
import type { Drafts } from './drafts.ts'
import type { OwnVersions } from './own-versions.ts'
import { versionOf } from './remote-attributes.ts'
import type { SeenFiles } from './seen-files.ts'

const WHOLE = { offset: 0, length: 0 }

export interface PathChangesOptions {
  readonly mounted: MountedVolume
  readonly notify: Notify
  readonly own: OwnVersions
  readonly drafts: Pick<Drafts, 'find'>
  readonly seen: SeenFiles
  /** Under which number what lies at a path would be shown, whose number the volume says. */
  readonly shownAs: (path: Path, isDirectory: boolean, number: InodeId) => InodeId
  /** Under which number what lies at a path now is shown, if something does. Asks the node. */
  readonly numberNow: (path: Path) => Promise<InodeId | undefined>
}

/** What is told of an eventual volume, told to the kernel of this machine: that something is new or other at a path, or that nothing is there any more.
 *  A directory above it may have come with it without a word. */
export class PathChanges implements Pick<RemoteChanges, 'apply' | 'dropAll' | 'forgetKnown'> {
  readonly #options: PathChangesOptions
  readonly #all: RemoteChanges
  /** The change before has been judged. */
  #judged: Promise<unknown> = Promise.resolve()

  constructor(options: PathChangesOptions) {
    this.#options = options
    this.#all = new RemoteChanges(options.mounted, options.notify)
  }

  /** Resolves when the kernel has heard of it. Changes are judged in the order of the calls. @throws what `notify` throws */
  async apply(change: Change): Promise<void> {
    const judging = this.#judged.then(() => this.#judge(change))
    this.#judged = judging.catch(() => undefined)
    await this.#all.tell(await judging)
  }

  forgetKnown(): void {
    this.#all.forgetKnown()
  }

  dropAll(): Promise<void> {
    return this.#all.dropAll()
  }

  async #judge({ kind, path, type, etag, inode }: Change): Promise<readonly Notification[]> {
    const { own, drafts, seen, mounted, shownAs, numberNow } = this.#options
    const isGone = kind === 'remove'
    if (await own.isOwn(path, isGone || etag === undefined ? 'removed' : versionOf(etag))) return []
    // What is written here brings a file back that others remove meanwhile.
    if (isGone && drafts.find(path)?.isDirty === true) return []
    seen.changed(path)
    if (inode !== undefined) mounted.coherence.changed(shownAs(path, type === 'directory', inode))
    const { directory, name, isLast } = this.#lastKnown(path)
    const told = this.#listingChanged(directory)
    const node = mounted.table.at(directory, name)
    // A directory on the way that isn't known here may be new.
    if (!isLast || node === undefined) return [...told, { kind: 'entry', parentId: directory.nodeId, name }]
    const isAnother = inode !== undefined && shownAs(path, type === 'directory', inode) !== node.inode
    // The word may be older than what is there: a directory went, and the file of its name is seen again.
    const isOld = isAnother && (await numberNow(path)) === node.inode
    mounted.coherence.changed(node.inode)
    mounted.changed(node)
    node.keptVersion = undefined
    node.bareUntilMs = 0
    const data: Notification = { kind: 'inode', nodeId: node.nodeId, data: WHOLE }
    if (isOld || mounted.table.at(directory, name) !== node) return [...told, data]
    if (isGone) {
      mounted.table.remove(directory, name)
      return [...told, data, { kind: 'deleted', parentId: directory.nodeId, childId: node.nodeId, name }]
    }
    if (!isAnother) return [...told, data]
    // Another kind of thing has taken its place.
    mounted.table.remove(directory, name)
    return [...told, data, { kind: 'entry', parentId: directory.nodeId, name }]
  }

  /** The directory of a path, or the last one on the way that is known here, and the name in it that leads on. */
  #lastKnown(path: Path): { readonly directory: MountedNode; readonly name: string; readonly isLast: boolean } {
    const { table } = this.#options.mounted
    let directory = table.get(ROOT_NODE)
    for (const [at, name] of path.entries()) {
      const next = table.at(directory, name)
      const isLast = at === path.length - 1
      if (isLast || next === undefined) return { directory, name, isLast }
      directory = next
    }
    return { directory, name: '', isLast: false }
  }

  #listingChanged(directory: MountedNode): Notification[] {
    const { mounted } = this.#options
    mounted.coherence.changed(directory.inode)
    mounted.listings.changed(directory)
    return [{ kind: 'inode', nodeId: directory.nodeId, data: WHOLE }]
  }
}
