import { isShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { BackingFile } from '#platform/fuse-device.ts'
import type { OpenFile } from '#volume/volume.ts'
import type { MountedNode } from './inode-table.ts'
import type { LocalContents, LocalFile } from './own-volume.ts'

/** Each takes three descriptors, of which a process has a thousand or more. */
const OPEN_MAX = 256

/** What the kernel reads by itself in the place of one node. */
interface Passed {
  readonly file: BackingFile
  readonly local: LocalContents
  version: number
}

/** Files that are open for reading and of which the local disk has all: the kernel reads them there, without asking.
 *
 *  It does so for all handles of a node or for none, and mixes nothing (Documentation/filesystems/fuse/fuse-passthrough.rst). So a node
 *  of which somebody reads in this way takes no writers and no other version: these get a node of their own. What they write is written
 *  to the file that the readers have, too, which shows it as on a disk. */
export class PassedThrough {
  /** Hands a file to the kernel; there once it is mounted. */
  openBacking: ((path: string) => BackingFile) | undefined
  readonly #log: Log
  readonly #byNode = new Map<MountedNode, Passed>()
  readonly #byInode = new Map<InodeId, Set<Passed>>()

  constructor(log: Log) {
    this.#log = log
  }

  /** The id under which all handles of a node are read, and of which version; `undefined` if they aren't. */
  of(node: MountedNode): { readonly id: number; readonly version: number } | undefined {
    const passed = this.#byNode.get(node)
    return passed && { id: passed.file.id, version: passed.version }
  }

  /** Lets the kernel read a node of which no handle is open: the id, if it can. */
  open(node: MountedNode, { local, attributes }: LocalFile): number | undefined {
    if (local === undefined || this.openBacking === undefined) return undefined
    const path = this.#byNode.size < OPEN_MAX ? local.whole() : undefined
    if (path === undefined) return undefined
    const file = this.#backing(path, local)
    if (file === undefined) return undefined
    const passed = { file, local, version: attributes.version }
    this.#byNode.set(node, passed)
    const others = this.#byInode.get(node.inode)
    if (others === undefined) this.#byInode.set(node.inode, new Set([passed]))
    else others.add(passed)
    return file.id
  }

  /** The last handle of a node was closed. */
  closed(node: MountedNode): void {
    const passed = this.#byNode.get(node)
    if (passed === undefined) return
    this.#byNode.delete(node)
    const others = this.#byInode.get(node.inode)
    others?.delete(passed)
    if (others?.size === 0) this.#byInode.delete(node.inode)
    passed.file.close()
  }

  /** Something was written to an inode. */
  wrote(inode: InodeId, offset: number, bytes: Uint8Array): void {
    this.#change(inode, ({ file }) => file.write(offset, bytes))
  }

  /** An inode has another length. */
  cut(inode: InodeId, sizeBytes: number): void {
    this.#change(inode, ({ file }) => file.cut(sizeBytes))
  }

  isRead(inode: InodeId): boolean {
    return this.#byInode.has(inode)
  }

  /** Readers see what `now` is from here on. @throws what reading it throws */
  async renew(inode: InodeId, now: OpenFile): Promise<void> {
    const { sizeBytes, version } = now.attributes
    let at = 0
    for await (const bytes of now.read({ offset: 0, length: sizeBytes })) {
      this.wrote(inode, at, bytes)
      at += bytes.length
    }
    this.cut(inode, sizeBytes)
    for (const passed of this.#byInode.get(inode) ?? []) passed.version = version
  }

  #change(inode: InodeId, change: (passed: Passed) => void): void {
    for (const passed of this.#byInode.get(inode) ?? []) {
      passed.local.release()
      try {
        change(passed)
      } catch (error) {
        this.#log.error('Who has a file open does not see what is written to it', { inode, error })
      }
    }
  }

  #backing(path: string, local: LocalContents): BackingFile | undefined {
    try {
      return this.openBacking?.(path)
    } catch (error) {
      if (isShoalError(error, 'NOT_PERMITTED') || isShoalError(error, 'UNSUPPORTED')) {
        // It won't work another time.
        this.openBacking = undefined
        this.#log.info('The kernel does not read cached files by itself', { error })
      } else if (!isShoalError(error, 'BUSY')) local.release()
      return undefined
    }
  }
}
