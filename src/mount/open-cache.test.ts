import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import { nodeClock } from '#platform/node-clock.ts'
import type { DataCacheOptions } from './data-cache.ts'
import { openCache } from './open-cache.ts'

test('a cache that an earlier mount uses is not used by another one, which waits a little for it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-cache-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const warnings: string[] = []
  const log = { warn: (message: string) => warnings.push(message) } as never
  const open = async (options: Partial<DataCacheOptions> = {}) =>
    openCache({
      files: nodeAppendFiles,
      folder,
      bytesMax: 1e6,
      identity: 'docs',
      keepsWholes: true,
      clock: nodeClock,
      log,
      ...options,
    })
  const first = await open()
  assert.ok(first !== undefined)
  assert.equal(await open({ clock: { sleep: async () => undefined } }), undefined)
  assert.equal(warnings.length, 1)
  const waiting = open()
  await nodeClock.sleep(60)
  first.close()
  const second = await waiting
  assert.ok(second !== undefined)
  second.close()
  const files = { ...nodeAppendFiles, open: () => assert.fail('The disk takes nothing') }
  const third = await open({ files })
  assert.ok(third !== undefined, 'what is there can be read')
  third.close()
  assert.equal(warnings.length, 1)
})
