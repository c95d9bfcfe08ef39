import assert from 'node:assert/strict'
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { AppendFiles } from '#platform/append-files.ts'
import { checksumOf } from '#platform/block-checksums.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import type { JournalPlace } from './content-layer.ts'
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
  const sizeBytes = journal.sizeBytes
  await journal.sync()
  const names = files.list(folder).filter((name) => name.endsWith('.journal'))
  assert.equal(names.length, 3)
  const lengths = names.map((name) => flushed.get(join(folder, name)) ?? 0)
  assert.equal(
    lengths.reduce((sum, bytes) => sum + bytes, 0),
    sizeBytes,
  )
  flushed.clear()
  await journal.sync()
  assert.equal(flushed.size, 0)
})

test('what is settled in one turn is written at its end, whichever names are short or long', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const options = { files: nodeAppendFiles, folder, volume: 'docs' }
  const pendingOf = (): readonly number[] => {
    const copy = mkdtempSync(join(tmpdir(), 'shoal-journal-copy-'))
    cpSync(folder, copy, { recursive: true })
    const { journal, pending } = Journal.open({ ...options, folder: copy }, 2 ** 52)
    journal.close()
    rmSync(copy, { recursive: true })
    return pending.map(({ number }) => number)
  }
  const { journal } = Journal.open(options, 2 ** 52)
  t.after(() => journal.close())
  const made = Array.from({ length: 70 }, (_, at) => {
    const inode = journal.newInode()
    const path = `${at % 7 === 0 ? 'ä'.repeat(9_000) : 'f'}${at}`
    return { inode, number: journal.append({ op: 'create', path, inode, timeNs: 1n, mode: 0o644, uid: 0, gid: 0 }).number }
  })
  const numbers = made.map(({ number }) => number)
  assert.deepEqual(pendingOf(), numbers)
  for (const { number, inode } of made.slice(0, 66)) journal.settle([number], inode, { inode } as never)
  assert.deepEqual(pendingOf(), numbers)
  await Promise.resolve()
  assert.deepEqual(pendingOf(), numbers.slice(66))
})

test('what is appended after the first files of the journal are gone is not taken for what was in them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const options = { files: nodeAppendFiles, folder, volume: 'docs' }
  const length = 8 * 1024 * 1024
  const append = (journal: Journal, path: string) => {
    const inode = journal.newInode()
    const { number } = journal.append({ op: 'create', path, inode, timeNs: 1n, mode: 0o644, uid: 0, gid: 0 })
    const numbers = [number]
    for (let at = 0; at < 4; at += 1) {
      const write = { op: 'write', path, inode, timeNs: 1n, offset: at * length, length } as const
      numbers.push(journal.append(write, Buffer.alloc(length)).number)
    }
    return { inode, numbers }
  }
  let { journal } = Journal.open(options, 2 ** 52)
  const first = append(journal, 'first')
  journal.sending([first.numbers])
  journal.settle(first.numbers, first.inode, { inode: 7 } as never)
  await Promise.resolve()
  assert.deepEqual(readdirSync(folder).toSorted(), ['00000002.journal', 'lock', 'reserve'])
  journal.close()
  ;({ journal } = Journal.open(options, 2 ** 52))
  const second = append(journal, 'second')
  journal.close()
  const again = Journal.open(options, 2 ** 52)
  t.after(() => again.journal.close())
  assert.deepEqual(
    again.pending.map(({ number, change }) => [number, change.path, change.inode, change.base]),
    second.numbers.map((number) => [number, 'second', second.inode, undefined]),
  )
  assert.notEqual(second.inode, first.inode)
  assert.deepEqual([...new Set(again.pending.map(({ group }) => group))], [undefined])
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

test('what is written after all was settled is there at the next start, though its files went and what settled them stayed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const options = { files: nodeAppendFiles, folder, volume: 'docs' }
  const length = 8 * 1024 * 1024
  /** Of one file: what is pending at the start, and what it has written. */
  const use = (count: number, isSettled: boolean): { pending: readonly number[]; written: readonly number[]; inode: number } => {
    const { journal, pending } = Journal.open(options, 2 ** 52)
    const inode = journal.newInode()
    const written = Array.from({ length: count }, (_, at) => {
      const change = { op: 'write', path: 'f', inode, timeNs: 1n, offset: at * length, length } as const
      return journal.append(change, Buffer.alloc(length)).number
    })
    if (isSettled) journal.settle(written, inode, undefined)
    return { pending: pending.map(({ number }) => number), written, inode, ...close(journal) }
  }
  const close = (journal: Journal): object => {
    queueMicrotask(() => journal.close())
    return {}
  }
  // They fill a file, so that what settles them is in the next one.
  const first = use(4, true)
  await Promise.resolve()
  await Promise.resolve()
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.journal')),
    ['00000002.journal'],
  )
  const second = use(2, false)
  await Promise.resolve()
  assert.deepEqual(second.pending, [])
  assert.ok(second.inode > first.inode && Math.min(...second.written) > Math.max(...first.written))
  assert.deepEqual(use(0, false).pending, second.written)
})

test('a file that was written in very many pieces is sent in one step, and settled, also for who reads the journal then', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const options = { files: nodeAppendFiles, folder, volume: 'docs' }
  const { journal } = Journal.open(options, 2 ** 52)
  const inode = journal.newInode()
  const write = (path: string): number =>
    journal.append({ op: 'write', path, inode, timeNs: 1n, offset: 0, length: 1 }, Buffer.alloc(1)).number
  const many = Array.from({ length: 60_000 }, () => write('many'))
  const kept = [write('kept'), write('kept')]
  journal.sending([many, kept, [write('alone')]])
  const before = Journal.open({ ...options, files: unlocked }, 2 ** 52)
  const groups = before.pending.map(({ group }) => group)
  assert.deepEqual(
    [groups.length, new Set(groups.slice(0, many.length)), groups.at(-2), groups.at(-1)],
    [many.length + 3, new Set([many[0]]), kept[0], (kept[1] as number) + 1],
  )
  before.journal.close()
  journal.settle(many, inode, undefined)
  await Promise.resolve()
  journal.close()
  const after = Journal.open(options, 2 ** 52)
  t.after(() => after.journal.close())
  assert.deepEqual(
    after.pending.map(({ change }) => change.path),
    ['kept', 'kept', 'alone'],
  )
})

/** What lets two read one journal. */
const unlocked: AppendFiles = {
  ...nodeAppendFiles,
  open: (path) => {
    const file = nodeAppendFiles.open(path)
    if (path.endsWith('/lock')) file.tryLock = () => true
    return file
  },
}

/** A journal of so many changes of 8 MiB, of which the first ones were flushed; four of them make a file. */
async function partlyFlushed(t: TestContext, { flushed, more }: { readonly flushed: number; readonly more: number }) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const options = { files: nodeAppendFiles, folder, volume: 'docs' }
  const { journal } = Journal.open(options, 2 ** 52)
  const inode = journal.newInode()
  const length = 8 * 1024 * 1024
  const places: JournalPlace[] = []
  for (let at = 0; at < flushed + more; at += 1) {
    const change = { op: 'write', path: 'f', inode, timeNs: 1n, offset: at * length, length } as const
    places.push(journal.append(change, Buffer.alloc(length, at + 1)).place)
    if (at === flushed - 1) await journal.sync()
  }
  journal.close()
  const cutOff: (readonly [name: string, bytes: number])[] = []
  const open = (act: (journal: Journal) => unknown = () => undefined): number[] => {
    const again = Journal.open(options, 2 ** 52)
    act(again.journal)
    again.journal.close()
    cutOff.splice(0, Infinity, ...again.cutOff.map(({ path, bytes }) => [basename(path), bytes] as const))
    return again.pending.map(({ number }) => number)
  }
  const pathOf = ({ segment }: JournalPlace): string => join(folder, `${String(segment).padStart(8, '0')}.journal`)
  /** Something else is there than was written. */
  const damage = (at: number, bytes: Buffer): void => {
    const { position } = places[at] as JournalPlace
    const file = openSync(pathOf(places[at] as JournalPlace), 'r+')
    writeSync(file, bytes, 0, bytes.length, position)
    closeSync(file)
  }
  return { folder, inode, places, pathOf, damage, open, cutOff }
}

test('a power failure takes the end of what was not flushed, and the journal is read without it, in whichever file it lies', async (t) => {
  const { folder, inode, places, pathOf, damage, open, cutOff } = await partlyFlushed(t, { flushed: 2, more: 8 })
  // Of the first file the last change was not written to the disk, of the second one all was, of the third one only that it has grown.
  damage(3, Buffer.alloc(4096))
  writeFileSync(pathOf(places[9] as JournalPlace), Buffer.alloc(1000))
  const sizes = [0, 4].map((at) => statSync(pathOf(places[at] as JournalPlace)).size)
  assert.deepEqual(
    open((journal) => journal.append({ op: 'truncate', path: 'f', inode, timeNs: 2n, sizeBytes: 5 })),
    [1, 2, 3],
  )
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.journal')),
    ['00000001.journal'],
  )
  // It says what has gone, each file with its bytes.
  const left = statSync(pathOf(places[0] as JournalPlace)).size
  assert.deepEqual(
    cutOff.map(([name]) => name),
    ['00000001.journal', '00000002.journal', '00000003.journal'],
  )
  assert.deepEqual(
    cutOff.slice(1).map(([, bytes]) => bytes),
    [sizes[1], 1000],
  )
  assert.ok((cutOff[0]?.[1] ?? 0) > 8 * 1024 * 1024 && (cutOff[0]?.[1] ?? 0) > (sizes[0] ?? 0) - left)
  assert.deepEqual(open(), [1, 2, 3, 4])
  assert.deepEqual(cutOff, [])
})

test('what was flushed and is damaged is refused, also where later files are whole', async (t) => {
  const { damage, open } = await partlyFlushed(t, { flushed: 6, more: 3 })
  damage(3, Buffer.from('.'))
  assert.throws(open, { code: 'CORRUPT', message: /00000001.journal" is damaged at byte/ })
})

test('a file of the journal that is gone, or has lost its end where a record ended, is missed', async (t) => {
  const lost = { code: 'CORRUPT', message: /lacks \d changes behind/ }
  const gone = await partlyFlushed(t, { flushed: 9, more: 1 })
  rmSync(gone.pathOf(gone.places[5] as JournalPlace))
  assert.throws(gone.open, lost)
  const short = await partlyFlushed(t, { flushed: 9, more: 1 })
  truncateSync(short.pathOf(short.places[2] as JournalPlace), (short.places[2] as JournalPlace).position + 8 * 1024 * 1024)
  assert.throws(short.open, lost)
  // What was never flushed a power failure may have taken.
  const unflushed = await partlyFlushed(t, { flushed: 1, more: 9 })
  rmSync(unflushed.pathOf(unflushed.places[5] as JournalPlace))
  assert.deepEqual(unflushed.open(), [1, 2, 3, 4])
  assert.deepEqual(
    unflushed.cutOff.map(([name]) => name),
    ['00000003.journal'],
  )
})

test('first lines of a journal that are damaged are told of as that', async (t) => {
  const { pathOf, places, open } = await partlyFlushed(t, { flushed: 5, more: 0 })
  const path = pathOf(places[0] as JournalPlace)
  const bytes = readFileSync(path)
  writeFileSync(path, Buffer.from(bytes.toString('latin1').replace('{"format"', '{Xformat"'), 'latin1'))
  assert.throws(open, { code: 'CORRUPT', message: /first lines of the journal.*00000001.journal" are damaged/ })
  writeFileSync(path, Buffer.alloc(bytes.length))
  assert.throws(open, { code: 'CORRUPT', message: /00000001.journal" has lost its first lines/ })
})

/** The same records as an earlier version wrote them. */
function asWritten(format: 1 | 2, bytes: Buffer): Buffer {
  const old = Buffer.from(bytes.toString('latin1').replace('"format":3', `"format":${format}`), 'latin1')
  const head = old.indexOf(10, old.indexOf(10) + 1) + 1
  for (let at = head; at < old.length;) {
    const end = at + 12 + old.readUInt32LE(at) + old.readUInt32LE(at + 4)
    old.writeUInt32LE(checksumOf([old.subarray(at + 12, end)]), at + 8)
    at = end
  }
  return old
}

for (const format of [1, 2] as const)
  test(`a journal of format ${format} is read, and goes on in a file of its own`, async (t) => {
    const { folder, inode, places, pathOf, damage, open } = await partlyFlushed(t, { flushed: 1, more: 1 })
    const path = pathOf(places[0] as JournalPlace)
    writeFileSync(path, asWritten(format, readFileSync(path)))
    assert.deepEqual(
      open((journal) => journal.append({ op: 'truncate', path: 'f', inode, timeNs: 2n, sizeBytes: 5 })),
      [1, 2],
    )
    assert.equal(readdirSync(folder).filter((name) => name.endsWith('.journal')).length, 2)
    assert.deepEqual(open(), [1, 2, 3])
    damage(0, Buffer.from('.'))
    assert.throws(open, { code: 'CORRUPT' })
  })
