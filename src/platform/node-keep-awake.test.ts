import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { keptAwake } from './node-keep-awake.ts'

function isOpen(path: string): boolean {
  const fds = readdirSync('/proc/self/fd')
  return fds.some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false
    }
  })
}

test(
  'processors are kept awake for as long as the file is open to which no latency was written',
  { skip: process.platform !== 'linux' },
  (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'shoal-awake-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'latency')
    assert.equal(keptAwake(file), undefined)
    assert.equal(keptAwake(folder), undefined)
    writeFileSync(file, '')
    const release = keptAwake(file)
    assert.deepEqual([...readFileSync(file)], [0, 0, 0, 0])
    assert.equal(isOpen(file), true)
    release?.()
    assert.equal(isOpen(file), false)
  },
)
