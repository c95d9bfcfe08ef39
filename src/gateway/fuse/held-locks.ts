import { changeRanges, type HeldRange } from '#volume/lock-ranges.ts'
import type { LockTerm, MountLock, WantedLock } from './file-lock-service.ts'
import type { MountedNode } from './inode-table.ts'

/** One owner's locks of one file. */
export interface HeldLocks extends Pick<MountLock, 'inode' | 'family' | 'owner'> {
  /** Through which handles they were asked for. */
  readonly handles: Set<number>
  readonly term: LockTerm
  /** What was given. */
  ranges: readonly HeldRange[]
  /** Locks that were asked for, and of which nothing is known yet, or never will be. */
  unsure: number
}

/** Which owners of this mount may have locks, so that those of a process that is gone are given up. What was asked for counts: whether
 *  it was given may never be known. */
export class LocksHeld {
  readonly #byNode = new Map<MountedNode, Map<string, HeldLocks>>()

  get isEmpty(): boolean {
    return this.#byNode.size === 0
  }

  /** Before the node is asked. */
  asked(
    node: MountedNode,
    lock: Pick<MountLock, 'family' | 'owner'>,
    at: { readonly handle: number; readonly term: LockTerm },
  ): void {
    let owners = this.#byNode.get(node)
    if (owners === undefined) this.#byNode.set(node, (owners = new Map()))
    const key = `${lock.family} ${lock.owner}`
    const held = owners.get(key)
    if (held === undefined) {
      const { family, owner } = lock
      owners.set(key, { inode: node.inode, family, owner, handles: new Set([at.handle]), term: at.term, ranges: [], unsure: 1 })
    } else {
      held.handles.add(at.handle)
      held.unsure += 1
    }
  }

  /** It is known not to have been given. */
  refused(node: MountedNode, lock: WantedLock): void {
    const held = this.#find(node, lock)
    if (held === undefined) return
    held.unsure -= 1
    // flock(2) has given up the old lock before it was refused another kind.
    if (lock.family === 'flock' && held.ranges[0]?.kind !== lock.kind) held.ranges = []
    this.#drop(node, held)
  }

  given(node: MountedNode, lock: WantedLock): void {
    const held = this.#find(node, lock)
    if (held === undefined) return
    held.unsure -= 1
    held.ranges = changeRanges(lock.family === 'flock' ? [] : held.ranges, lock)
  }

  givenUp(node: MountedNode, lock: MountLock): void {
    const held = this.#find(node, lock)
    if (held === undefined) return
    held.ranges = changeRanges(held.ranges, lock)
    this.#drop(node, held)
  }

  #find(node: MountedNode, { family, owner }: Pick<MountLock, 'family' | 'owner'>): HeldLocks | undefined {
    return this.#byNode.get(node)?.get(`${family} ${owner}`)
  }

  #drop(node: MountedNode, held: HeldLocks): void {
    if (held.unsure === 0 && held.ranges.length === 0) this.dropped(node, held)
  }

  /** Whether the owner may have locked some of the file. */
  has(node: MountedNode, lock: Pick<MountLock, 'family' | 'owner'>): boolean {
    return this.#find(node, lock) !== undefined
  }

  /** What a closing process has: its POSIX locks of a file go with any of its descriptors. */
  ofOwner(node: MountedNode, owner: string): HeldLocks | undefined {
    return this.#find(node, { family: 'posix', owner })
  }

  /** What was asked for through a handle that nobody has any more, and through no other: all of it is gone, whichever kind it is. The
   *  kernel names owners by where they lie in memory: one that is new may have the name of one whose end is still to be told. */
  leave(node: MountedNode, handle: number): readonly HeldLocks[] {
    const owners = [...(this.#byNode.get(node)?.values() ?? [])]
    return owners.filter(({ handles }) => handles.delete(handle) && handles.size === 0)
  }

  dropped(node: MountedNode, { family, owner }: Pick<HeldLocks, 'family' | 'owner'>): void {
    const owners = this.#byNode.get(node)
    owners?.delete(`${family} ${owner}`)
    if (owners?.size === 0) this.#byNode.delete(node)
  }

  /** Whether locks of the file may have been lost: who relied on them must not go on as if nothing had happened. */
  isLost(node: MountedNode): boolean {
    const owners = this.#byNode.get(node)
    if (owners === undefined) return false
    for (const { term } of owners.values()) if (!term.isAlive) return true
    return false
  }
}
