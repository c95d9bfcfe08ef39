import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { test } from 'node:test'
import { mountStateFile } from './mount-state-file.ts'

test('no two directories share what is kept of their mounts', () => {
  const env = { HOME: '/home/u' }
  const long = `/${'d'.repeat(200)}/${'ä'.repeat(120)}`
  const directories = ['/a/b', '/a-b', '/a', '/a.cache', '/a/b-c', '/a-b/c', long, `${long}x`, `${long}/x`]
  const endings = ['', '.cache', '.log', '.session', '.status', '.drafts']
  const files = directories.flatMap((directory) => endings.map((ending) => mountStateFile(directory, ending, env)))
  assert.equal(new Set(files).size, files.length)
  for (const file of files) assert.ok(Buffer.byteLength(basename(file)) <= 255, file)
  assert.equal(mountStateFile('/a/b', '.cache', env), '/home/u/.local/state/shoal/mount-a-b.cache')
  assert.equal(mountStateFile('/a', '', { XDG_STATE_HOME: '/state' }), '/state/shoal/mount-a')
  for (const relative of ['state', ''])
    assert.equal(mountStateFile('/a', '', { ...env, XDG_STATE_HOME: relative }), '/home/u/.local/state/shoal/mount-a')
})
