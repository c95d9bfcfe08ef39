import type { MountedNode } from './inode-table.ts'

/** Directories that are being listed. The kernel keeps what it is given of a listing; what changes on the way must be dropped when
 *  the listing is over, since it may have been asked for before and be kept after. */
export class Listings {
  readonly #open = new Map<MountedNode, { count: number; isChanged: boolean }>()

  opened(directory: MountedNode): void {
    const listing = this.#open.get(directory)
    if (listing === undefined) this.#open.set(directory, { count: 1, isChanged: false })
    else listing.count += 1
  }

  isOpen(directory: MountedNode): boolean {
    return this.#open.has(directory)
  }

  changed(directory: MountedNode): void {
    const listing = this.#open.get(directory)
    if (listing !== undefined) listing.isChanged = true
  }

  /** Whether the kernel must be told to drop what it has of it. */
  closed(directory: MountedNode): boolean {
    const listing = this.#open.get(directory)
    if (listing === undefined) return false
    listing.count -= 1
    if (listing.count === 0) this.#open.delete(directory)
    return listing.isChanged
  }
}
