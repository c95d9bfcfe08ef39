import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import type { AppendFile, AppendFiles } from '#platform/append-files.ts'
import { silentLog } from '#observe/log.ts'
import { Journal } from './journal.ts'
import { LargeFiles } from './large-files.ts'
import { BlockMemory } from './block-memory.ts'
import { SmallFiles } from './small-files.ts'

const MIB = 1024 * 1024

/** A disk of so many bytes, all of it in one folder. */
class SmallDisk implements AppendFiles {
  readonly list = nodeAppendFiles.list
  readonly #files = new Map<string, AppendFile>()
  readonly #bytesMax: number

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get freeBytes(): number {
    return [...this.#files.values()].reduce((free, { sizeBytes }) => free - sizeBytes, this.#bytesMax)
  }

  open(path: string): AppendFile {
    const file = nodeAppendFiles.open(path)
    this.#files.set(path, file)
    const append: AppendFile['append'] = (pieces) => {
      if (pieces.reduce((sum, { length }) => sum + length, 0) > this.freeBytes)
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      return file.append(pieces)
    }
    return new Proxy(file, {
      get: (target, name) => {
        const value: unknown = name === 'append' ? append : Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  remove(path: string): void {
    this.#files.delete(path)
    nodeAppendFiles.remove(path)
  }
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-room-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Writes pieces of a mebibyte until there is no room. Their numbers. */
function fill(journal: Journal, inode: InodeId): readonly number[] {
  const numbers: number[] = []
  try {
    for (;;) {
      const write = { op: 'write', path: 'f', inode, timeNs: 1n, offset: numbers.length * MIB, length: MIB } as const
      numbers.push(journal.append(write, Buffer.alloc(MIB)).number)
    }
  } catch (error) {
    assert.ok(isShoalError(error, 'NO_SPACE'))
    return numbers
  }
}

test('a journal that has filled its disk can be sent, and gives its room back', async (t) => {
  const files = new SmallDisk(70 * MIB)
  const { journal } = Journal.open({ files, folder: folderOf(t), volume: 'docs' }, 2 ** 52)
  t.after(() => journal.close())
  const inode = journal.newInode()
  for (let round = 0; round < 3; round += 1) {
    const numbers = fill(journal, inode)
    assert.ok(numbers.length >= 65, `there was room for ${numbers.length}`)
    // Not even that has room by now.
    assert.throws(() => journal.append({ op: 'remove', path: 'g'.repeat(MIB), inode, timeNs: 1n }))
    journal.sending([numbers])
    journal.settle(numbers, inode, { inode: 7 } as never)
    await journal.sync()
    assert.ok(files.freeBytes >= 68 * MIB, `${files.freeBytes} bytes are free`)
  }
})

test('what can be fetched again gives way to what is only here', async (t) => {
  const files = new SmallDisk(70 * MIB)
  const folder = folderOf(t)
  const log = silentLog
  const small = new SmallFiles({ files, folder: `${folder}/small`, bytesMax: 64 * MIB, log })
  const room = new BlockMemory(nodeClock)
  const large = new LargeFiles({ files, folder: `${folder}/large`, bytesMax: () => 64 * MIB, room, clock: nodeClock, log })
  const makeRoom = (): boolean => large.giveWay() || small.giveWay()
  const { journal } = Journal.open({ files, folder: `${folder}/journal`, volume: 'docs', makeRoom }, 2 ** 52)
  t.after(() => journal.close())
  for (let at = 0; at < 40 * 16; at += 1) small.put([{ name: `${at}`, bytes: Buffer.alloc(MIB / 16) }])
  for (let at = 0; at < 20; at += 1) await large.put({ file: `f${at}-${MIB}`, index: 0 }, Buffer.alloc(MIB))
  assert.ok(large.sizeBytes + small.sizeBytes >= 59 * MIB)
  assert.ok(fill(journal, journal.newInode()).length >= 65)
  assert.equal(large.sizeBytes + small.sizeBytes, 0)
})
