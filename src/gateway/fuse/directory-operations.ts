import type { Entry } from '#volume/volume.ts'
import { modeOf } from './fuse-attributes.ts'
import type { MountedNode } from './inode-table.ts'
import type { MountedVolume } from './mounted-volume.ts'
import { OPEN_FLAGS } from './protocol/opcodes.ts'
import type { FuseOperations } from './protocol/operations.ts'

const PAGE_ENTRIES = 1000
/** "." and "..". */
const OWN_ENTRIES = 2

type DirectoryOperations = Pick<FuseOperations, 'opendir' | 'readdir' | 'releasedir' | 'fsyncdir'>

/** A directory that is being read: one page of it at a time. */
interface Reading {
  /** Offset of the first entry of `entries`, counted over the whole directory. */
  start: number
  entries: readonly Entry[]
  next: string | undefined
  /** Taken before the page was asked for. */
  mark: number
}

/** The listing of directories over a volume. */
export function directoryOperations(mounted: MountedVolume): Required<DirectoryOperations> {
  const readings = new Map<number, Reading>()
  let lastHandle = 0
  return {
    opendir: (_, { nodeId }) => {
      mounted.listings.opened(mounted.table.get(nodeId))
      lastHandle += 1
      readings.set(lastHandle, newReading())
      // What the kernel keeps of it is dropped when others change something.
      return { handle: lastHandle, flags: mounted.coherence.isTold ? OPEN_FLAGS.CACHE_DIR | OPEN_FLAGS.KEEP_CACHE : 0 }
    },
    readdir: async ({ handle, offset, page }, { nodeId }) => {
      const node = mounted.table.get(nodeId)
      const reading = readings.get(handle) ?? newReading()
      for (let at = offset; at < OWN_ENTRIES; at += 1) {
        const entry = { name: at === 0 ? '.' : '..', inode: node.inode, mode: node.mode, nextOffset: at + 1 }
        if (!page.add(entry)) return
      }
      await fill(mounted, { node, reading, page, from: Math.max(0, offset - OWN_ENTRIES), isAnew: offset === 0 })
    },
    releasedir: ({ handle }, { nodeId }) => {
      readings.delete(handle)
      const node = mounted.table.get(nodeId)
      if (mounted.listings.closed(node)) mounted.drop(node)
    },
    // A volume that doesn't write back answers each change when it is durable.
    fsyncdir: (_, { nodeId }) => mounted.back?.sync(mounted.table.path(mounted.table.get(nodeId))),
  }
}

function newReading(): Reading {
  return { start: Infinity, entries: [], next: undefined, mark: 0 }
}

interface Filling {
  readonly node: MountedNode
  readonly reading: Reading
  readonly page: Parameters<NonNullable<FuseOperations['readdir']>>[0]['page']
  readonly from: number
  /** Whoever begins at the beginning wants to see what is there now. */
  readonly isAnew: boolean
}

async function fill(mounted: MountedVolume, { node, reading, page, from, isAnew }: Filling): Promise<void> {
  if (isAnew || from < reading.start) await turn(mounted, { node, reading, start: 0, cursor: undefined })
  for (let at = from; ; at += 1) {
    while (at >= reading.start + reading.entries.length) {
      if (reading.next === undefined) return
      const start = reading.start + reading.entries.length
      await turn(mounted, { node, reading, start, cursor: reading.next })
    }
    const { path, attributes } = reading.entries[at - reading.start] as Entry
    const name = path.at(-1) as string
    if (mounted.hidden.has(node, name)) continue
    const entry = { name, inode: attributes.inode, mode: modeOf(attributes), nextOffset: OWN_ENTRIES + at + 1 }
    if (!page.add(entry, () => mounted.entry({ parent: node, name, mark: reading.mark }, attributes))) return
  }
}

async function turn(
  mounted: MountedVolume,
  to: { readonly node: MountedNode; readonly reading: Reading; readonly start: number; readonly cursor: string | undefined },
): Promise<void> {
  const { node, reading, start, cursor } = to
  const mark = mounted.coherence.mark()
  const listing = await mounted.volume.list(mounted.table.path(node), {
    limit: PAGE_ENTRIES,
    ...(cursor === undefined ? {} : { cursor }),
  })
  reading.start = start
  reading.entries = listing.entries
  reading.next = listing.next
  reading.mark = mark
}
