import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { nodeHanding } from './node-handing.ts'

function dataFolder(t: TestContext, format: unknown = { format: 4, clusterId: 'c0ffee' }): { root: string; folder: string } {
  const root = mkdtempSync(join(tmpdir(), 'shoal-handing-'))
  t.after(() => rmSync(root, { recursive: true }))
  writeFileSync(join(root, 'format.json'), JSON.stringify(format))
  mkdirSync(join(root, 'handed'), { mode: 0o700 })
  return { root, folder: join(root, 'handed') }
}

test('a file that is handed over is there under another name, whatever becomes of the first, until it is taken back', (t) => {
  const { root, folder } = dataFolder(t)
  const path = join(root, 'journal')
  writeFileSync(path, 'bytes')
  const target = { folder, name: 'a' }
  assert.ok(nodeHanding.give(path, target))
  rmSync(path)
  assert.equal(readFileSync(join(folder, 'a'), 'utf8'), 'bytes')
  nodeHanding.takeBack(target)
  assert.equal(existsSync(join(folder, 'a')), false)
  nodeHanding.takeBack(target)
  assert.equal(nodeHanding.give(path, target), false)
})

test('nothing is handed over to a folder that is none of a node of the cluster, or that others get into', (t) => {
  const { root, folder } = dataFolder(t)
  const isTaken = (path = folder, id = 'c0ffee') => nodeHanding.isTakenAt(path, id)
  assert.ok(isTaken())
  assert.equal(isTaken(folder, 'another'), false)
  assert.equal(isTaken(root), false)
  assert.equal(isTaken('handed'), false)
  assert.equal(isTaken('/etc/handed'), false)
  chmodSync(folder, 0o750)
  assert.equal(isTaken(), false)
  chmodSync(folder, 0o700)
  assert.ok(isTaken())
  const other = dataFolder(t)
  rmSync(other.folder, { recursive: true })
  symlinkSync(folder, other.folder)
  assert.equal(isTaken(other.folder), false)
  const damaged = dataFolder(t, 'nothing')
  assert.equal(isTaken(damaged.folder), false)
})
