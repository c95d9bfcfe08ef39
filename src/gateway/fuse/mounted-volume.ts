import { isShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Caller } from '#volume/volume.ts'
import { Coherence } from './coherence.ts'
import type { DirtyPiece } from './dirty-ranges.ts'
import { type FileContents, lackingOf, newContents, shownAttributes, stored } from './file-contents.ts'
import { modeOf } from './fuse-attributes.ts'
import { HiddenPaths, type HiddenPathsOptions } from './hidden-paths.ts'
import { InodeTable, type MountedNode, ROOT_NODE } from './inode-table.ts'
import { LateStores } from './late-stores.ts'
import { Listings } from './listings.ts'
import { NodeBound } from './node-bound.ts'
import { OwnChanges } from './own-changes.ts'
import { type LocalFile, type MountableVolume, OwnVolume } from './own-volume.ts'
import type { CompletePages } from './part-pages.ts'
import { PassedThrough } from './passed-through.ts'
import { type FuseError, refusal } from './protocol/errno.ts'
import type { AttributesReply, EntryReply } from './protocol/replies.ts'
import type { Notify } from './remote-changes.ts'
import { settle, type Settled } from './settle-node.ts'
import type { WritesBack } from './writes-back.ts'
import { WriteBudget, WrittenFile } from './written-file.ts'

const READ_TRIES = 8
/** A journal takes pieces as they come: to join them costs more than a record. */
const JOURNAL_PIECE_BYTES = 1024 * 1024
/** Other changes that the kernel is told of may be held up by programs. */
const TELLING_MS_MAX = 1000

export interface MountedVolumeOptions extends HiddenPathsOptions {
  readonly volume: MountableVolume
  /** Where `volume` writes down itself what is changed through it. */
  readonly own?: OwnChanges
  readonly back?: WritesBack
  readonly caller: Caller
  readonly clock: Clock
  readonly log: Log
  readonly knownMax?: number
  /** An inode that the kernel knew was let go of. */
  readonly onForgotten?: () => void
}

/** Where something was found, and when it was asked for (`Coherence.mark`). */
interface Found {
  readonly parent: MountedNode
  readonly name: string
  readonly mark: number
}

/** What the operations of one mount share: which inodes the kernel knows, and what is written to them and not stored yet. */
export class MountedVolume {
  readonly volume: MountableVolume
  readonly caller: Caller
  readonly clock: Clock
  readonly log: Log
  readonly own: OwnChanges
  readonly coherence = new Coherence()
  readonly listings = new Listings()
  readonly hidden: HiddenPaths
  readonly passed: PassedThrough
  /** Both tell the kernel; there once it is mounted. */
  notify: Notify | undefined
  complete: CompletePages | undefined
  readonly table: InodeTable
  readonly back: WritesBack | undefined
  readonly #budget: WriteBudget
  readonly #late: LateStores<MountedNode>
  readonly #bound: NodeBound

  private constructor(options: MountedVolumeOptions, root: Attributes) {
    this.own = options.own ?? new OwnChanges(options.clock)
    this.volume = options.own === undefined ? new OwnVolume(options.volume, this.own) : options.volume
    this.back = options.back
    this.#budget = new WriteBudget(options.back === undefined ? Infinity : JOURNAL_PIECE_BYTES)
    this.caller = options.caller
    this.clock = options.clock
    this.log = options.log
    this.#late = new LateStores(options.clock, options.back && ((node) => this.flush(node)))
    this.passed = new PassedThrough(options.log)
    this.hidden = new HiddenPaths(options)
    this.table = new InodeTable({ mode: modeOf(root), gid: root.gid }, (inode) => {
      this.back?.forgotten(inode)
      options.onForgotten?.()
    })
    this.#bound = new NodeBound({ ...options, table: this.table })
  }

  static async open(options: MountedVolumeOptions): Promise<MountedVolume> {
    const root = await options.volume.stat([])
    if (root === undefined) throw refusal('ESTALE')
    return new MountedVolume(options, root)
  }

  /** The node and the path of an entry in it, which the volume is about to be asked for. */
  place(parentId: number, name: string): { readonly parent: MountedNode; readonly path: Path; readonly mark: number } {
    const parent = this.table.get(parentId)
    return { parent, path: [...this.table.path(parent), name], mark: this.coherence.mark() }
  }

  /** Tells the kernel of an entry, which counts as a look-up. `mark` was taken before the volume was asked. */
  entry({ parent, name, mark }: Found, attributes: Attributes): EntryReply {
    const node = this.table.put(parent, name, { inode: attributes.inode, mode: modeOf(attributes), gid: attributes.gid })
    this.table.lookedUp(node)
    this.#bound.grown(this.notify)
    node.toldNs = attributes.ctimeNs
    const validMs = this.coherence.validMs(mark, node.inode)
    this.#seeXattrs(node, attributes, validMs)
    return {
      nodeId: node.nodeId,
      generation: 0,
      attributes: this.#shown(node, attributes),
      validity: {
        entryMs: Math.min(validMs, this.coherence.validMs(mark, parent.inode)),
        attributesMs: this.#validMs(node, mark),
      },
    }
  }

  attributes(node: MountedNode, mark: number, attributes: Attributes): AttributesReply {
    node.mode = modeOf(attributes)
    node.gid = attributes.gid
    node.toldNs = attributes.ctimeNs
    this.#seeXattrs(node, attributes, node.isApart ? 0 : this.coherence.validMs(mark, node.inode))
    return { attributes: this.#shown(node, attributes), validMs: this.#validMs(node, mark) }
  }

  /** Whether it is known to have no extended attributes: programs that list files ask for some of each. */
  isBare(node: MountedNode): boolean {
    return node.bareUntilMs > 0 && this.clock.monotonicMs() < node.bareUntilMs
  }

  #seeXattrs(node: MountedNode, { hasXattrs }: Attributes, validMs: number): void {
    node.bareUntilMs = hasXattrs === false ? this.clock.monotonicMs() + validMs : 0
  }

  /** What the volume says of a node, if it is known without asking. */
  statNow(node: MountedNode): Attributes | undefined {
    const path = this.volume.statNow === undefined ? undefined : this.table.pathIfAny(node)
    const now = path === undefined ? undefined : this.volume.statNow?.(path)
    return now === undefined || now === 'absent' || now.inode !== node.inode ? undefined : now
  }

  /** What the volume says of a node now. @throws FuseError ESTALE if another file, or none, lies wherever it was seen */
  async stat(node: MountedNode): Promise<Attributes> {
    for (;;) {
      const attributes = await this.volume.stat(this.table.path(node))
      if (attributes?.inode === node.inode) return attributes
      if (!this.table.misplaced(node)) throw refusal('ESTALE')
    }
  }

  contents(node: MountedNode): FileContents {
    if (node.contents === undefined) {
      const store = async (piece: DirtyPiece): Promise<void> => {
        this.stored(node, await this.volume.writeAt(this.table.path(node), piece, this.caller), piece)
      }
      node.contents = newContents(new WrittenFile(this.#budget, store, () => this.#late.collected(node)))
    }
    return node.contents
  }

  /** Contents were changed through this mount, perhaps by `piece`: what the kernel has of them is right if nobody else has changed them. */
  stored(node: MountedNode, attributes: Attributes, piece?: DirtyPiece): void {
    const isNext = node.keptVersion !== undefined && attributes.version === node.keptVersion + 1
    node.keptVersion = isNext ? attributes.version : undefined
    if (isNext) node.toldNs = attributes.ctimeNs
    this.changed(node)
    if (isNext) stored(node.contents, attributes, piece)
  }

  /** What was read of the node's contents isn't what the volume has. */
  changed(node: MountedNode): void {
    const { contents } = node
    if (contents === undefined) return
    contents.reader?.close()
    contents.reader = undefined
    contents.storedBytes = undefined
    contents.parts.changed()
    contents.changes += 1
  }

  /** An inode has got another length. */
  cut(node: MountedNode, attributes: Attributes): void {
    this.stored(node, attributes)
    this.passed.cut(node.inode, attributes.sizeBytes)
  }

  /** Contents were changed without being sent through this mount. */
  async rewritten(node: MountedNode, attributes: Attributes): Promise<void> {
    this.stored(node, attributes)
    await this.renewPassed(node)
  }

  /** Those who read a node without asking see what the volume has of it now. */
  async renewPassed(node: MountedNode): Promise<void> {
    if (this.passed.isRead(node.inode)) await this.passed.renew(node.inode, await this.reader(node))
  }

  /** A node that the kernel reads by itself stays what it is to those who have it open; everybody else looks for the name again, and gets
   *  a node of its own. */
  part(node: MountedNode): FuseError {
    this.table.part(node)
    this.notify?.({ kind: 'inode', nodeId: node.nodeId }).catch(() => undefined)
    return refusal('ESTALE')
  }

  /** Nothing was written to the node that isn't stored. */
  isClean(node: MountedNode): boolean {
    if (node.contents?.written.isClean === false) return false
    if (this.back?.collects?.() !== true) return true
    const path = this.table.pathIfAny(node)
    return path === undefined || this.back.collects(path) !== true
  }

  /** The whole contents of a node that is open, if they can be had at once. */
  atHand(node: MountedNode): Buffer | undefined {
    const { contents } = node
    return contents?.written.isClean === true ? contents.reader?.bytes : undefined
  }

  /** Stores what was written to the node. @throws FuseError ESTALE if it is gone */
  async flush(node: MountedNode): Promise<void> {
    const written = node.contents?.written
    if (written === undefined || written.isClean) return
    // Another file may have taken its place, and must not get its bytes.
    if (this.statNow(node) === undefined) await this.stat(node)
    try {
      await written.flush()
    } catch (error) {
      if (!isShoalError(error, 'NOT_FOUND')) throw error
      // Others have moved it since then. Where to isn't known, or has been told meanwhile; who is refused doesn't find the bytes there later.
      await this.stat(node)
      await written.flush()
    }
  }

  /** What `close` waits for. */
  async publish(node: MountedNode): Promise<void> {
    await this.flush(node)
    const path = this.back?.publish === undefined ? undefined : this.table.pathIfAny(node)
    if (path !== undefined) await this.back?.publish?.(path)
  }

  /** Resolves when the cluster has what was written to a node, and its name. */
  async sync(node: MountedNode): Promise<void> {
    await this.flush(node)
    await this.back?.sync(this.table.path(node))
  }

  /** Resolves when the cluster has whatever was changed through this mount before: who hears of it by way of a lock looks at more than
   *  the file that was locked. @throws why it doesn't have what was written to `node` */
  async syncAll(node: MountedNode): Promise<void> {
    await Promise.allSettled(this.#late.files.map((other) => this.flush(other)))
    await this.flush(node)
    await this.back?.drain()
  }

  /** Which inode of the cluster a node is, once that has it. */
  storedInode({ inode }: MountedNode): InodeId {
    return this.back?.storedInode(inode) ?? inode
  }

  /** What was shown before the cluster had it has got another version and change time there. */
  settled(inode: InodeId, attributes: Settled): void {
    const node = this.table.find(inode)
    if (node !== undefined && settle(node, attributes))
      this.notify?.({ kind: 'inode', nodeId: node.nodeId }).catch(() => undefined)
  }

  /** The volume's contents as they are, kept until something changes them. */
  async reader(node: MountedNode): Promise<LocalFile> {
    const contents = this.contents(node)
    for (let tries = 0; tries < READ_TRIES; tries += 1) {
      if (contents.reader !== undefined) return contents.reader
      const { changes } = contents
      if (tries > 0) await this.stat(node)
      const opened = await this.volume.openFile(this.table.path(node))
      if (opened === undefined || opened.attributes.inode !== node.inode) {
        opened?.close()
        continue
      }
      // What was stored in the meantime may be missing from it.
      if (contents.changes === changes && contents.reader === undefined) contents.reader = opened
      else opened.close()
    }
    throw refusal('ESTALE')
  }

  /** What the volume says of a file now. Its reader is the one that says so.
   *  @throws FuseError ESTALE if another file, or none, lies wherever it was seen: the kernel then looks for the name again */
  async latest(node: MountedNode): Promise<Attributes> {
    const contents = this.contents(node)
    if (contents.written.isClean) this.changed(node)
    try {
      return contents.reader?.attributes ?? (await this.reader(node)).attributes
    } catch (error) {
      // Nobody will close what can't be opened.
      if (node.opens === 0) this.#forget(node)
      throw error
    }
  }

  /** Lets the kernel ask for attributes again that aren't those that it was told. */
  async tellAttributes(node: MountedNode, attributes: Attributes): Promise<void> {
    if (attributes.ctimeNs === node.toldNs || this.notify === undefined) return
    const enough = new AbortController()
    const late = this.clock.sleep(TELLING_MS_MAX, enough.signal).catch(() => undefined)
    await Promise.race([this.notify({ kind: 'inode', nodeId: node.nodeId }).catch(() => undefined), late])
    enough.abort()
  }

  /** Lets the kernel forget what it has of a node, some time soon. */
  drop(node: MountedNode): void {
    this.notify?.({ kind: 'inode', nodeId: node.nodeId, data: { offset: 0, length: 0 } }).catch(() => undefined)
  }

  /** The last handle of a node was closed. What it had written and could not be stored is lost: FLUSH has told so. */
  closed(node: MountedNode): Promise<void> | undefined {
    if (!this.isClean(node) || node.hiddenAs !== undefined) return this.#end(node)
    this.#letGo(node)
    this.table.drop(node)
    return undefined
  }

  async #end(node: MountedNode): Promise<void> {
    try {
      await this.publish(node)
    } catch (error) {
      this.log.error('Written bytes are lost: they could not be stored before the file was closed', {
        inode: node.inode,
        error,
      })
      node.contents?.written.discard()
      const path = this.table.pathIfAny(node)
      if (path !== undefined) this.back?.discard?.(path)
    }
    if (node.opens > 0) return
    this.#letGo(node)
    const { hiddenAs } = node
    if (hiddenAs !== undefined) {
      await this.#removeHidden(hiddenAs)
      // It may have got a name meanwhile.
      node.hiddenAs = undefined
      this.table.remove(this.table.get(ROOT_NODE), hiddenAs[0] as string)
    }
    this.table.drop(node)
  }

  #letGo(node: MountedNode): void {
    this.passed.closed(node)
    const lacking = lackingOf(node)
    if (lacking !== undefined) this.complete?.(node.nodeId, lacking)
    // Who reads it next may have all of it here.
    node.contents?.reader?.local?.whole()
    node.contents?.reader?.close()
    this.#forget(node)
  }

  #forget(node: MountedNode): void {
    node.contents = undefined
    this.#late.closed(node)
  }

  async #removeHidden(path: Path): Promise<void> {
    try {
      await this.volume.remove(path, { caller: this.caller })
    } catch (error) {
      if (!isShoalError(error, 'NOT_FOUND')) this.log.warn('A removed file could not be cleared away', { path, error })
    }
  }

  #shown(node: MountedNode, attributes: Attributes): EntryReply['attributes'] {
    return shownAttributes(node, attributes, this.#unstored(node))
  }

  /** For how long the kernel may go on with attributes: what isn't stored gets another time when it is. */
  #validMs(node: MountedNode, mark: number): number {
    // Of one that is apart nobody is told.
    return node.isApart || this.#unstored(node) !== undefined ? 0 : this.coherence.validMs(mark, node.inode)
  }

  #unstored(node: MountedNode): FileContents | undefined {
    const { contents } = node.isApart ? (this.table.find(node.inode) ?? node) : node
    return contents?.written.isClean === false ? contents : undefined
  }
}
