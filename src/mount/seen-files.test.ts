import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { SeenFiles } from './seen-files.ts'

function fileOf(version: number): Attributes {
  const times = { atimeNs: 1n, mtimeNs: 1n, ctimeNs: 1n, btimeNs: 1n }
  const rest = { uid: 0, gid: 0, mode: 0o644, links: 1, rdev: 0, sizeBytes: 3, sha256: undefined }
  return { inode: 5 as InodeId, type: 'file', version, ...times, ...rest }
}

test('what was seen last is what is there while changes are told, unless it was asked for before one', () => {
  let isTold = true
  const seen = new SeenFiles(() => isTold)
  const mark = seen.mark()
  seen.add(['f'], fileOf(1), mark)
  assert.equal(seen.newest(['f'])?.version, 1)
  seen.changed(['f'])
  assert.equal(seen.find(['f']), undefined)
  seen.add(['f'], fileOf(1), mark)
  assert.deepEqual([seen.newest(['f']), seen.find(['f'])?.version], [undefined, 1])
  seen.add(['f'], fileOf(2), seen.mark())
  seen.doubt(['f'])
  assert.deepEqual([seen.newest(['f']), seen.find(['f'])?.version], [undefined, 2])
  seen.add(['f'], fileOf(2), seen.mark())
  isTold = false
  assert.deepEqual([seen.newest(['f']), seen.find(['f'])?.version], [undefined, 2])
  const untold = seen.mark()
  isTold = true
  seen.add(['f'], fileOf(3), untold)
  assert.equal(seen.newest(['f']), undefined, 'nobody was told when it was asked for')
})

test('what lies in a directory that has moved is not where it was seen', () => {
  const seen = new SeenFiles(() => true)
  for (const path of [['d', 'f'], ['d', 'e', 'f'], ['dd']]) seen.add(path, fileOf(1), seen.mark())
  seen.dropBelow(['d'])
  assert.deepEqual(
    [['d', 'f'], ['d', 'e', 'f'], ['dd']].map((path) => seen.find(path)?.version),
    [undefined, undefined, 1],
  )
  seen.changedAll()
  assert.equal(seen.find(['dd']), undefined)
})
