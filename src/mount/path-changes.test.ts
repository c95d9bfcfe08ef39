import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InodeId } from '#foundation/ids.ts'
import { Coherence } from '#gateway/fuse/coherence.ts'
import { InodeTable, ROOT_NODE } from '#gateway/fuse/inode-table.ts'
import { Listings } from '#gateway/fuse/listings.ts'
import type { MountedVolume } from '#gateway/fuse/mounted-volume.ts'
import type { Notification } from '#gateway/fuse/protocol/notifications.ts'
import type { Change } from '#volume/volume.ts'
import type { OwnVersions } from './own-versions.ts'
import { PathChanges } from './path-changes.ts'
import type { SeenFiles } from './seen-files.ts'

const FILE = 7 as InodeId
const DIRECTORY = 5 as InodeId

/** A file is shown at `k`; `numberNow` is what the node has there. All that is told is somebody else's. */
function fixture(numberNow: InodeId | undefined) {
  const table = new InodeTable({ mode: 0o040755, gid: 0 })
  const node = table.put(table.get(ROOT_NODE), 'k', { inode: FILE, mode: 0o100644, gid: 0 })
  table.lookedUp(node)
  const mounted = { table, coherence: new Coherence(), listings: new Listings(), changed: () => undefined }
  const told: Notification[] = []
  const changes = new PathChanges({
    mounted: mounted as unknown as MountedVolume,
    notify: async (notification) => told.push(notification),
    own: { isOwn: async () => false } as unknown as OwnVersions,
    drafts: { find: () => undefined },
    seen: { changed: () => undefined } as unknown as SeenFiles,
    shownAs: (_, isDirectory) => (isDirectory ? DIRECTORY : FILE),
    numberNow: async () => numberNow,
  })
  const apply = (change: Pick<Change, 'kind'> & Partial<Change>): Promise<void> =>
    changes.apply({ path: ['k'], timeNs: 0n, ...change } as Change)
  return { apply, told, path: () => table.pathIfAny(node) }
}

const OLD_WORDS = [
  { kind: 'write', type: 'directory', inode: DIRECTORY, etag: '"18f987d4d96c-0"' },
  { kind: 'remove', type: 'directory', inode: DIRECTORY },
] as const

for (const word of OLD_WORDS) {
  test(`a file keeps its place when it is told late of a directory of its name: ${word.kind}`, async () => {
    const { apply, told, path } = fixture(FILE)
    await apply(word)
    assert.deepEqual(path(), ['k'])
    assert.ok(told.every(({ kind }) => kind === 'inode'))
  })

  test(`a file loses its place to what has taken it: ${word.kind}`, async () => {
    const { apply, told, path } = fixture(word.kind === 'write' ? DIRECTORY : undefined)
    await apply(word)
    assert.equal(path(), undefined)
    assert.ok(told.some(({ kind }) => kind === 'entry' || kind === 'deleted'))
  })
}

test('a file that others remove is gone, and nobody is asked', async () => {
  const { apply, path } = fixture(FILE)
  await apply({ kind: 'remove', type: 'file', inode: FILE })
  assert.equal(path(), undefined)
})
