import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realDirectory } from './real-directory.ts'

test('a directory is the same by whatever link it is named, and what is not there is left as it is', async (t) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-real-')))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'a/b'), { recursive: true })
  symlinkSync('a', join(folder, 'above'))
  symlinkSync('above/b', join(folder, 'link'))
  for (const path of ['a/b', 'above/b', 'link', 'a/../link/'])
    assert.equal(await realDirectory(join(folder, path)), join(folder, 'a/b'))
  assert.equal(await realDirectory(join(folder, 'above/none')), join(folder, 'a/none'))
  assert.equal(await realDirectory('/none/such'), '/none/such')
  assert.equal(await realDirectory('/'), '/')
})
