import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import type { FileContents } from './file-contents.ts'
import { refusal } from './protocol/errno.ts'

/** One inode that the kernel knows, or that is open. */
export interface MountedNode {
  /** The kernel's number for it; 1 for the root, others never used twice. */
  readonly nodeId: number
  readonly inode: InodeId
  /** As last seen: what is made in a directory may inherit from it. */
  mode: number
  gid: number
  /** How often the kernel has looked it up and not forgotten it. */
  lookups: number
  /** Handles that are open. */
  opens: number
  /** Where it was seen last, if a place is known. Mostly it is the only one, and an array for it would be as large as itself. */
  place: Place | undefined
  /** Others take up the inode under another number: this one is for those who had it open before. */
  isApart: boolean
  /** It was removed while it was open: it lies under a hidden name, until the last handle is closed. */
  hiddenAs: Path | undefined
  /** Of which version of the contents the kernel has pages, if of one. */
  keptVersion: number | undefined
  /** When what the kernel was last told of its attributes had changed. */
  toldNs: bigint | undefined
  /** Until when it is known, by the mount's clock, that it has no extended attributes. */
  bareUntilMs: number
  /** While it is open. A map of those that are would be made anew every few files, and each time what it replaces keeps alive, until the
   *  whole heap is marked, what was in it. */
  contents: FileContents | undefined
}

interface Place {
  readonly parent: InodeId
  readonly name: string
  /** Where else it was seen, before. */
  readonly before: Place | undefined
}

interface KnownPath {
  readonly node: MountedNode
  readonly path: Path
  /** As many as there were. */
  readonly moves: number
}

export const ROOT_NODE = 1
const KNOWN_PATHS = 64

/** Which inodes the kernel knows, and by which paths the volume knows them. It grows by look-ups, and shrinks when the kernel
 *  forgets: see `NodeBound`. A directory that moves takes what is in it along, since places name their parents. */
export class InodeTable {
  readonly #byNode = new Map<number, MountedNode>()
  readonly #byInode = new Map<InodeId, MountedNode>()
  /** By directory, and name in it. */
  readonly #byPlace = new Map<InodeId, Map<string, MountedNode>>()
  readonly #onDrop: (inode: InodeId) => void
  /** Paths that were asked for lately: a program does several things to a file one after another. */
  readonly #known: (KnownPath | undefined)[] = Array.from({ length: KNOWN_PATHS })
  /** Grows when something isn't where it was. */
  #moves = 0
  #lastNode = ROOT_NODE

  /** `onDrop` hears of inodes that are let go of. */
  constructor(root: { readonly mode: number; readonly gid: number }, onDrop: (inode: InodeId) => void = () => undefined) {
    this.#onDrop = onDrop
    // The kernel never forgets the root.
    this.#add(newNode(ROOT_NODE, { inode: ROOT_INODE, ...root, lookups: 1 }))
  }

  get size(): number {
    return this.#byNode.size
  }

  has(nodeId: number): boolean {
    return this.#byNode.has(nodeId)
  }

  /** @throws FuseError ESTALE */
  get(nodeId: number): MountedNode {
    const node = this.#byNode.get(nodeId)
    if (node === undefined) throw refusal('ESTALE')
    return node
  }

  /** All that the kernel knows, as they are now. */
  all(): readonly MountedNode[] {
    return [...this.#byNode.values()]
  }

  /** One after the other, those that the kernel was shown first at first, but for the root; over what comes and goes meanwhile, too. */
  *each(): Generator<MountedNode, undefined> {
    for (const node of this.#byNode.values()) if (node.nodeId !== ROOT_NODE) yield node
    return undefined
  }

  find(inode: InodeId): MountedNode | undefined {
    return this.#byInode.get(inode)
  }

  /** The names by which the kernel may know it. */
  names(node: MountedNode): readonly { readonly kind: 'entry'; readonly parentId: number; readonly name: string }[] {
    return [...placesFrom(node.place)].flatMap(({ parent, name }) => {
      const above = this.#byInode.get(parent)
      return above === undefined ? [] : [{ kind: 'entry' as const, parentId: above.nodeId, name }]
    })
  }

  /** What is known to lie at a place. */
  at(parent: MountedNode, name: string): MountedNode | undefined {
    return this.#byPlace.get(parent.inode)?.get(name)
  }

  /** What is known to lie at a path. */
  nodeAt(path: Path): MountedNode | undefined {
    let node: MountedNode | undefined = this.get(ROOT_NODE)
    for (const name of path) if (node !== undefined) node = this.at(node, name)
    return node
  }

  /** The inode at a place, as the volume has just told; known from then on, but not yet looked up. */
  put(
    parent: MountedNode,
    name: string,
    seen: { readonly inode: InodeId; readonly mode: number; readonly gid: number },
  ): MountedNode {
    let node = this.#byInode.get(seen.inode)
    if (node === undefined) {
      this.#lastNode += 1
      node = newNode(this.#lastNode, { ...seen, lookups: 0 })
      this.#add(node)
    }
    node.mode = seen.mode
    node.gid = seen.gid
    // Mostly it is where it was: then the paths that were asked for stay known.
    if (node.place?.before !== undefined || this.at(parent, name) !== node) this.#place(node, { parent: parent.inode, name })
    return node
  }

  /** Nothing lies at the place any more. */
  remove(parent: MountedNode, name: string): void {
    this.#leave({ parent: parent.inode, name })
  }

  /** What lay at one place lies at another, whose former owner is gone. */
  move(from: { readonly parent: MountedNode; readonly name: string }, to: typeof from): void {
    const moved = this.at(from.parent, from.name)
    this.remove(from.parent, from.name)
    this.remove(to.parent, to.name)
    if (moved !== undefined) this.#place(moved, { parent: to.parent.inode, name: to.name })
  }

  exchange(one: { readonly parent: MountedNode; readonly name: string }, other: typeof one): void {
    const [first, second] = [this.at(one.parent, one.name), this.at(other.parent, other.name)]
    this.remove(one.parent, one.name)
    this.remove(other.parent, other.name)
    if (first !== undefined) this.#place(first, { parent: other.parent.inode, name: other.name })
    if (second !== undefined) this.#place(second, { parent: one.parent.inode, name: one.name })
  }

  /** A path by which the volume knows it. @throws FuseError ESTALE if none is known (any more) */
  path(node: MountedNode): Path {
    const path = this.pathIfAny(node)
    if (path === undefined) throw refusal('ESTALE')
    return path
  }

  /** The same; `undefined` if none is known. It is the same array as long as the path is the same. */
  pathIfAny(node: MountedNode): Path | undefined {
    // A hidden one has no other place.
    if (node.hiddenAs !== undefined) return node.hiddenAs
    const slot = node.nodeId % KNOWN_PATHS
    const known = this.#known[slot]
    if (known !== undefined && known.node === node && known.moves === this.#moves) return known.path
    const path = this.#find(node)
    this.#known[slot] = path === undefined ? undefined : { node, path, moves: this.#moves }
    return path
  }

  #find(node: MountedNode): Path | undefined {
    const names: string[] = []
    let at = node
    while (at.nodeId !== ROOT_NODE && at.hiddenAs === undefined && at.place !== undefined && at.place.before === undefined) {
      const { parent, name } = at.place
      const above = this.#byInode.get(parent)
      if (above === undefined) return undefined
      names.push(name)
      at = above
    }
    const path = this.#pathOfFew(at)
    if (path === undefined || names.length === 0) return path
    names.reverse()
    return path.length === 0 ? names : [...path, ...names]
  }

  /** Of the root, and of what has no place or several. */
  #pathOfFew(node: MountedNode): Path | undefined {
    if (node.hiddenAs !== undefined) return node.hiddenAs
    if (node.nodeId === ROOT_NODE) return []
    // Others may have taken it away from where it was seen before.
    for (const { parent, name } of placesFrom(node.place)) {
      const above = this.#byInode.get(parent)
      const path = above === undefined ? undefined : this.#find(above)
      if (path !== undefined) return [...path, name]
    }
    return undefined
  }

  /** It doesn't lie where `path` said. False if no other place is known. */
  misplaced(node: MountedNode): boolean {
    const { place } = node
    if (place === undefined || node.hiddenAs !== undefined) return false
    this.#moves += 1
    this.#clear(node, place)
    node.place = place.before
    return node.place !== undefined
  }

  lookedUp(node: MountedNode): void {
    node.lookups += 1
  }

  forget(nodeId: number, lookups: number): void {
    const node = this.#byNode.get(nodeId)
    if (node === undefined || nodeId === ROOT_NODE) return
    node.lookups = Math.max(0, node.lookups - lookups)
    this.drop(node)
  }

  /** Whoever looks the inode up from now on gets it under a number of its own. */
  part(node: MountedNode): void {
    if (node.isApart || node.nodeId === ROOT_NODE) return
    this.#moves += 1
    node.isApart = true
    this.#byInode.delete(node.inode)
    for (const place of placesFrom(node.place)) this.#clear(node, place)
  }

  /** Lets go of a node that neither the kernel nor a handle needs. */
  drop(node: MountedNode): void {
    if (node.lookups > 0 || node.opens > 0 || node.nodeId === ROOT_NODE) return
    this.#moves += 1
    this.#byNode.delete(node.nodeId)
    const { place: last } = node
    node.place = undefined
    if (!node.isApart) {
      this.#byInode.delete(node.inode)
      for (const place of placesFrom(last)) this.#clear(node, place)
    }
    if (!this.#byInode.has(node.inode)) this.#onDrop(node.inode)
  }

  #add(node: MountedNode): void {
    this.#byNode.set(node.nodeId, node)
    this.#byInode.set(node.inode, node)
  }

  #place(node: MountedNode, place: Omit<Place, 'before'>): void {
    this.#leave(place)
    const { parent, name } = place
    const names = this.#byPlace.get(parent)
    if (names === undefined) this.#byPlace.set(parent, new Map([[name, node]]))
    else names.set(name, node)
    if (node.place !== undefined) this.#moves += 1
    node.place = { parent, name, before: node.place }
  }

  #leave(place: Omit<Place, 'before'>): void {
    const there = this.#byPlace.get(place.parent)?.get(place.name)
    if (there === undefined) return
    there.place = without(there.place, place)
    this.#clear(there, place)
  }

  /** The node isn't found at the place any more. */
  #clear(node: MountedNode, { parent, name }: Omit<Place, 'before'>): void {
    this.#moves += 1
    const names = this.#byPlace.get(parent)
    if (names?.get(name) !== node) return
    names.delete(name)
    if (names.size === 0) this.#byPlace.delete(parent)
  }
}

/** All in one literal: what is spread into an object lies beside it. */
function newNode(
  nodeId: number,
  { inode, mode, gid, lookups }: Pick<MountedNode, 'inode' | 'mode' | 'gid' | 'lookups'>,
): MountedNode {
  return {
    nodeId,
    inode,
    mode,
    gid,
    lookups,
    opens: 0,
    place: undefined,
    isApart: false,
    hiddenAs: undefined,
    keptVersion: undefined,
    toldNs: undefined,
    bareUntilMs: 0,
    contents: undefined,
  }
}

/** The last one first. */
function* placesFrom(last: Place | undefined): Generator<Place, undefined> {
  for (let place = last; place !== undefined; place = place.before) yield place
  return undefined
}

function without(last: Place | undefined, gone: Omit<Place, 'before'>): Place | undefined {
  const others = [...placesFrom(last)].filter(({ parent, name }) => parent !== gone.parent || name !== gone.name)
  return others.reduceRight<Place | undefined>((before, { parent, name }) => ({ parent, name, before }), undefined)
}
