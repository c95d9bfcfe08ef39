import type { ShoalClient } from '#client/shoal-client.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import { typeOf } from '#gateway/fuse/fuse-attributes.ts'
import { ROOT_NODE } from '#gateway/fuse/inode-table.ts'
import type { MountedVolume } from '#gateway/fuse/mounted-volume.ts'
import { OwnChanges } from '#gateway/fuse/own-changes.ts'
import type { Notify } from '#gateway/fuse/remote-changes.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { Drafts } from './drafts.ts'
import { EventualMountVolume } from './eventual-mount-volume.ts'
import { OwnVersions } from './own-versions.ts'
import { PathChanges } from './path-changes.ts'
import { PathNumbers, type Placed } from './path-numbers.ts'
import type { RemoteVolume } from './remote-volume.ts'
import { Scratch, type ScratchOptions } from './scratch.ts'
import { SeenFiles } from './seen-files.ts'

export interface DraftSettings extends ScratchOptions {
  /** Named in the names of files that lost against others. */
  readonly host: string
}

export interface OpenEventualOptions {
  readonly remote: RemoteVolume
  readonly client: ShoalClient
  readonly volume: string
  readonly drafts: DraftSettings
  readonly clock: Clock
  readonly log: Log
  readonly mounted: () => MountedVolume | undefined
}

/** What a mount of an eventual volume is made of. */
export interface EventualMount {
  readonly volume: EventualMountVolume
  /** Changes are known by what they have made (`OwnVersions`): none are written down here. */
  readonly own: OwnChanges
  changes(notify: Notify, mounted: MountedVolume): PathChanges
}

export function openEventual(options: OpenEventualOptions): EventualMount {
  const { client, clock, mounted, remote } = options
  const own = new OwnVersions(clock, async (path) => (await remote.stat(path))?.version ?? 'removed')
  const seen = new SeenFiles(() => mounted()?.coherence.isTold === true)
  const numbers = new PathNumbers({
    placeOf: (number) => placeOf(mounted(), number),
    numberAt: (path) => numberAt(mounted(), path),
    shownBelow: (directory) => shownBelow(mounted(), directory),
  })
  const drafts = new Drafts({
    ...options,
    calls: client.wholeFiles,
    scratch: new Scratch(options.drafts),
    host: options.drafts.host,
    own,
    seen,
    onSent: (path, attributes, shown) =>
      sent(mounted(), { number: numbers.of({ path, isDirectory: false }, attributes.inode), attributes, shown }),
  })
  const volume = new EventualMountVolume({ ...options, drafts, numbers, own, seen })
  return {
    volume,
    own: new OwnChanges(clock),
    changes: (notify, of) =>
      new PathChanges({
        ...{ mounted: of, notify, own, drafts, seen },
        shownAs: (path, isDirectory, number) => numbers.of({ path, isDirectory }, number),
        numberNow: async (path) => (await volume.stat(path))?.inode,
      }),
  }
}

function placeOf(mounted: MountedVolume | undefined, number: InodeId): Path | 'nowhere' | undefined {
  const node = mounted?.table.find(number)
  return node === undefined ? undefined : (mounted?.table.pathIfAny(node) ?? 'nowhere')
}

function numberAt(mounted: MountedVolume | undefined, path: Path): InodeId | undefined {
  let node = mounted?.table.get(ROOT_NODE)
  for (const name of path) node = node && mounted?.table.at(node, name)
  return node?.inode
}

function* shownBelow(mounted: MountedVolume | undefined, directory: Path): Generator<Placed & { readonly number: InodeId }> {
  for (const node of mounted?.table.all() ?? []) {
    const path = node.hiddenAs === undefined ? mounted?.table.pathIfAny(node) : undefined
    if (path === undefined || path.length <= directory.length || !directory.every((name, at) => path[at] === name)) continue
    yield { path, isDirectory: typeOf(node.mode) === 'directory', number: node.inode }
  }
}

/** The kernel has the pages of what was sent, and is told of its times. */
async function sent(
  mounted: MountedVolume | undefined,
  { number, attributes, shown }: { readonly number: InodeId; readonly attributes: Attributes; readonly shown: number },
): Promise<void> {
  const node = mounted?.table.find(number)
  if (mounted === undefined || node === undefined) return
  mounted.settled(number, { shown: { version: shown }, stored: attributes })
  mounted.changed(node)
  await mounted.tellAttributes(node, attributes)
}
