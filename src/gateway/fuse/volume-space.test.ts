import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_POLICY } from '#metadata/policy.ts'
import { spaceOf } from './volume-space.ts'

const KIB = 1024

/** Size, used and available, in KiB. */
function df(quotaBytes: number | undefined, usedBytes: number, roomBytes: number | undefined): number[] {
  const policy = { ...DEFAULT_POLICY, quotaBytes }
  const { blocks, freeBlocks, availableBlocks } = spaceOf({ policy, usage: { bytes: usedBytes, files: 1 } }, roomBytes)
  return [blocks, blocks - freeBlocks, availableBlocks].map((count) => count * 4)
}

test('a volume is as large as its quota, or as what it holds and what else has room', () => {
  assert.deepEqual(df(undefined, 100 * KIB, 900 * KIB), [1_000, 100, 900])
  assert.deepEqual(df(400 * KIB, 100 * KIB, 900 * KIB), [400, 100, 300])
  assert.deepEqual(df(400 * KIB, 100 * KIB, 40 * KIB), [400, 100, 40], 'a quota promises no room')
  assert.deepEqual(df(400 * KIB, 500 * KIB, 900 * KIB), [400, 400, 0])
  assert.deepEqual(df(400 * KIB, 100 * KIB, undefined), [400, 100, 300])
  assert.deepEqual(df(undefined, 0, undefined), [2 ** 40, 0, 2 ** 40], 'nobody knows')
})
