import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AppendFiles } from '#platform/append-files.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import { Journal } from './journal.ts'

test('what was appended a second ago survives a power failure, in whichever file it lies', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const flushed = new Map<string, number>()
  const files: AppendFiles = {
    ...nodeAppendFiles,
    open: (path) => {
      const file = nodeAppendFiles.open(path)
      const datasync = async (): Promise<void> => void flushed.set(path, file.sizeBytes)
      return new Proxy(file, {
        get: (target, name) => {
          const value: unknown = name === 'datasync' ? datasync : Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    },
  }
  const { journal } = Journal.open({ files, folder, volume: 'docs' }, 2 ** 52)
  t.after(() => journal.close())
  const inode = journal.newInode()
  const length = 8 * 1024 * 1024
  journal.append({ op: 'create', path: 'f', inode, timeNs: 1n, mode: 0o644, uid: 0, gid: 0 })
  for (let at = 0; at < 9; at += 1)
    journal.append({ op: 'write', path: 'f', inode, timeNs: 1n, offset: at * length, length }, Buffer.alloc(length))
  await journal.sync()
  const names = files.list(folder).filter((name) => name.endsWith('.journal'))
  assert.equal(names.length, 3)
  const lengths = names.map((name) => flushed.get(join(folder, name)) ?? 0)
  assert.equal(
    lengths.reduce((sum, bytes) => sum + bytes, 0),
    journal.sizeBytes,
  )
  flushed.clear()
  await journal.sync()
  assert.equal(flushed.size, 0)
})

test('what is settled in one turn is written in few pieces, and is not brought up again', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
  t.after(() => rmSync(folder, { recursive: true }))
  let appends = 0
  const files: AppendFiles = {
    ...nodeAppendFiles,
    open: (path) =>
      new Proxy(nodeAppendFiles.open(path), {
        get: (target, name) => {
          if (name === 'append') appends += 1
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      }),
  }
  const options = { files, folder, volume: 'docs' }
  const { journal } = Journal.open(options, 2 ** 52)
  const made = Array.from({ length: 100 }, (_, at) => {
    const inode = journal.newInode()
    return { inode, ...journal.append({ op: 'create', path: `f${at}`, inode, timeNs: 1n, mode: 0o644, uid: 0, gid: 0 }) }
  })
  appends = 0
  for (const { number, inode } of made.slice(1)) journal.settle([number], inode, undefined)
  await Promise.resolve()
  assert.equal(appends, 2)
  journal.close()
  const again = Journal.open(options, 2 ** 52)
  t.after(() => again.journal.close())
  assert.deepEqual(
    again.pending.map(({ number }) => number),
    [made[0]?.number],
  )
})
