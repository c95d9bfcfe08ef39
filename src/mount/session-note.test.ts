import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLog } from '#observe/log.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import { type NotedSession, SessionNote } from './session-note.ts'

const ONE: NotedSession = { session: '0a'.repeat(16), leaseMs: 30_000 }
const TWO: NotedSession = { session: '0b'.repeat(16), leaseMs: 1_000 }

function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-note-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'mount-x.session')
  return { path, take: (identity = 'docs') => SessionNote.take({ files: nodeAppendFiles, path, identity, log: silentLog }) }
}

test('what is noted is there for whoever takes the note up next, and for nobody before that', async (t) => {
  const { path, take } = place(t)
  const first = take()
  assert.ok(first !== undefined)
  assert.deepEqual(first.former, [])
  first.write([ONE])
  assert.equal(take(), undefined)
  first.write([ONE, TWO])
  await first.close()
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const second = take()
  assert.deepEqual(second?.former, [ONE, TWO])
  second?.write([])
  await second?.close()
  const third = take()
  assert.deepEqual(third?.former, [])
  await third?.close()
})

test('what is noted of another volume, and what is no note, says nothing', async (t) => {
  const { path, take } = place(t)
  const first = take()
  first?.write([ONE])
  await first?.close()
  const other = take('pictures')
  assert.deepEqual(other?.former, [])
  await other?.close()
  const texts = [
    '{"identity":"docs"',
    '{"identity":"docs"}',
    'null',
    '{"identity":"docs","sessions":[{"session":"../x","leaseMs":1}]}',
    '{"identity":"docs","sessions":[{"session":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","leaseMs":"1"}]}',
    '{"identity":"docs","sessions":[null]}',
  ]
  for (const text of texts) {
    writeFileSync(path, text)
    const note = take()
    assert.deepEqual(note?.former, [], text)
    await note?.close()
  }
})
