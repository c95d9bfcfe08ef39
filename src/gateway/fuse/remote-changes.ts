import type { InodeId } from '#foundation/ids.ts'
import type { Change } from '#volume/volume.ts'
import type { MountedNode } from './inode-table.ts'
import type { MountedVolume } from './mounted-volume.ts'
import type { WritesBack } from './writes-back.ts'
import type { Notification } from './protocol/notifications.ts'

/** Names that are changed here hold up the word of what others change, so that one isn't taken for the other. */
const NAMES_WAIT_MS = 2_000
/** Contents go into the kernel's cache anew at worst. */
const CONTENTS_WAIT_MS = 100

const WHOLE = { offset: 0, length: 0 }

/** Tells the kernel. `not-cached` is no failure. */
export type Notify = (notification: Notification) => Promise<unknown>

/** What others do to a volume, told to the kernel of this machine. */
export class RemoteChanges {
  readonly #mounted: MountedVolume
  readonly #notify: Notify
  /** The change before has been judged. */
  #judged: Promise<unknown> = Promise.resolve()
  #judging = 0

  constructor(mounted: MountedVolume, notify: Notify) {
    this.#mounted = mounted
    this.#notify = notify
  }

  /** Resolves when the kernel has heard of it; `undefined` if this mount has made it. Changes are judged in the order of the calls.
   *  @throws what `notify` throws */
  apply(change: Change): Promise<void> | undefined {
    return this.#isOwn(change) ? undefined : this.#apply(change)
  }

  /** Known for sure at once: no other change has its time. Whatever else is under way, nothing has to be waited for. */
  #isOwn(change: Change): boolean {
    return change.kind !== 'remove' && change.kind !== 'rename' && this.#mounted.own.knows(change)
  }

  async #apply(change: Change): Promise<void> {
    this.#judging += 1
    const judging = this.#judged
      .then(() => this.#judge(change))
      .finally(() => {
        this.#judging -= 1
      })
    this.#judged = judging.catch(() => undefined)
    await this.tell(await judging)
  }

  /** Resolves when what was applied before is known here, whether the kernel has heard of it or not; `undefined` if it is. */
  get judged(): Promise<unknown> | undefined {
    return this.#judging === 0 ? undefined : this.#judged
  }

  /** Forgets what a volume that writes back remembers, which may have changed without a word. */
  forgetKnown(): void {
    this.#mounted.back?.lostTrack()
  }

  /** Forgets, and lets the kernel forget, whatever may have changed without a word. `keepsKnown`: what is remembered is shown while the cluster
   *  can't be asked, and forgotten before it is trusted again. */
  async dropAll({ keepsKnown = false }: { readonly keepsKnown?: boolean } = {}): Promise<void> {
    const { coherence, table } = this.#mounted
    if (!keepsKnown) this.forgetKnown()
    coherence.changedAll()
    if (coherence.dropsNames) await this.tell([{ kind: 'epoch' }])
    for (const node of table.all()) {
      this.#forgetContents(node)
      node.bareUntilMs = 0
      const names = coherence.dropsNames ? [] : table.names(node)
      await this.tell([{ kind: 'inode', nodeId: node.nodeId, data: WHOLE }, ...names])
    }
  }

  async #judge(change: Change): Promise<readonly Notification[]> {
    const { own, back } = this.#mounted
    const isOfContents = change.kind === 'write' || change.kind === 'attributes'
    // Its answer may have come meanwhile.
    if (this.#isOwn(change)) return []
    await own.settled(isOfContents ? 'contents' : 'names', isOfContents ? CONTENTS_WAIT_MS : NAMES_WAIT_MS, change)
    if (own.knows(change)) return []
    back?.changedByOthers(change)
    const shown = back === undefined ? change : asShown(change, back)
    return isOfContents ? this.#ofContents(shown) : this.#ofNames(shown)
  }

  #ofContents({ kind, inode }: Change): Notification[] {
    const node = this.#changed(inode)
    if (node === undefined) return []
    if (kind === 'attributes') {
      // Extended ones are told of as well.
      node.bareUntilMs = 0
      return [{ kind: 'inode', nodeId: node.nodeId }]
    }
    this.#forgetContents(node)
    return [{ kind: 'inode', nodeId: node.nodeId, data: WHOLE }]
  }

  #ofNames(change: Change): Notification[] {
    const told: Notification[] = []
    const node = this.#changed(change.inode)
    if (node !== undefined) told.push({ kind: 'inode', nodeId: node.nodeId })
    const name = change.path.at(-1)
    const parent = this.#listingChanged(change.parent, told)
    if (change.kind === 'rename') {
      const from = change.fromParent === change.parent ? parent : this.#listingChanged(change.fromParent, told)
      told.push(...this.#left(from, change.from?.at(-1), { node, isGone: false }))
    }
    if (change.kind === 'remove') told.push(...this.#left(parent, name, { node, isGone: true }))
    else told.push(...this.#arrived(parent, name, node))
    return told
  }

  /** An inode isn't at a place any more. */
  #left(
    parent: MountedNode | undefined,
    name: string | undefined,
    { node, isGone }: { readonly node: MountedNode | undefined; readonly isGone: boolean },
  ): Notification[] {
    const { table } = this.#mounted
    if (parent === undefined || name === undefined || node === undefined || table.at(parent, name) !== node) return []
    table.remove(parent, name)
    if (isGone) return [{ kind: 'deleted', parentId: parent.nodeId, childId: node.nodeId, name }]
    return [{ kind: 'entry', parentId: parent.nodeId, name }]
  }

  /** An inode is at a place where it wasn't before. */
  #arrived(parent: MountedNode | undefined, name: string | undefined, node: MountedNode | undefined): Notification[] {
    const { table } = this.#mounted
    if (parent === undefined || name === undefined) return []
    const before = table.at(parent, name)
    if (before !== undefined && before === node) return []
    if (before !== undefined) table.remove(parent, name)
    if (node !== undefined) table.put(parent, name, node)
    const entry: Notification = { kind: 'entry', parentId: parent.nodeId, name }
    return before === undefined ? [entry] : [entry, { kind: 'inode', nodeId: before.nodeId }]
  }

  #changed(inode: InodeId | undefined): MountedNode | undefined {
    if (inode === undefined) return undefined
    this.#mounted.coherence.changed(inode)
    return this.#mounted.table.find(inode)
  }

  #listingChanged(inode: InodeId | undefined, told: Notification[]): MountedNode | undefined {
    const directory = this.#changed(inode)
    if (directory === undefined) return undefined
    this.#mounted.listings.changed(directory)
    told.push({ kind: 'inode', nodeId: directory.nodeId, data: WHOLE })
    return directory
  }

  #forgetContents(node: MountedNode): void {
    this.#mounted.changed(node)
    node.keptVersion = undefined
  }

  /** Resolves when the kernel has heard of all of it. @throws what `notify` throws */
  async tell(told: readonly Notification[]): Promise<void> {
    await Promise.all(
      told.map(async (notification) => {
        try {
          await this.#notify(notification)
        } catch (error) {
          // A directory that isn't empty here, or is mounted on, can't be said to be gone: it is looked for again.
          if (notification.kind !== 'deleted') throw error
          const { parentId, name } = notification
          await this.#notify({ kind: 'entry', parentId, name })
        }
      }),
    )
  }
}

function asShown(change: Change, back: WritesBack): Change {
  const shown = (inode: InodeId | undefined) => (inode === undefined ? undefined : back.shownInode(inode))
  return { ...change, inode: shown(change.inode), parent: shown(change.parent), fromParent: shown(change.fromParent) }
}
