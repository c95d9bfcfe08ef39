import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueStore, Transaction } from '#kv/store.ts'
import { type Power, poweredStore } from './hooked-stores.suite.ts'
import { bodyOf, caller, type Fixture, openFixture, p, pattern, readAll } from './volume-fixture.suite.ts'

const SEED_BYTES = 5_000
const PIECE_BYTES = 8
/** More than a transaction may touch, several times. */
const EXTENTS = 20_480

interface Seen {
  writesMax: number
  readonly frees: boolean[]
}

/** The same store, which notes how large transactions are. */
function watched(kv: KeyValueStore, seen: Seen): KeyValueStore {
  return {
    ...poweredStore(kv, { transactions: Infinity }),
    transact(fn, options) {
      seen.frees.push(options?.frees === true)
      return kv.transact((tx) => {
        let writes = 0
        const counting: Transaction = {
          get: (key) => tx.get(key),
          getDecoded: (key, decode) => tx.getDecoded(key, decode),
          range: (range) => tx.range(range),
          put: (key, value) => {
            writes += 1
            tx.put(key, value)
          },
          delete: (key) => {
            writes += 1
            tx.delete(key)
          },
          attempt: (part) => tx.attempt(part),
          get writtenBytes() {
            return tx.writtenBytes
          },
        }
        const result = fn(counting)
        seen.writesMax = Math.max(seen.writesMax, writes)
        return result
      }, options)
    },
  }
}

/** A file "f" of very many extents: five pieces of another file, doubled again and again. */
async function makeLarge({ volume }: Pick<Fixture, 'volume'>): Promise<Buffer> {
  await volume.writeFile(p('seed'), bodyOf(pattern(SEED_BYTES)), { caller })
  await volume.writeFile(p('f'), bodyOf(''), { caller })
  const pieces: Buffer[] = []
  for (let at = 0; at < 5; at += 1) {
    const from = { source: p('seed'), sourceOffset: at * 900, length: PIECE_BYTES }
    await volume.copyRange({ ...from, target: p('f'), targetOffset: at * PIECE_BYTES }, caller)
    pieces.push(pattern(SEED_BYTES).subarray(at * 900, at * 900 + PIECE_BYTES))
  }
  let whole = Buffer.concat(pieces)
  while (whole.length < EXTENTS * PIECE_BYTES) {
    const { length } = whole
    await volume.copyRange({ source: p('f'), sourceOffset: 0, target: p('f'), targetOffset: length, length }, caller)
    whole = Buffer.concat([whole, whole])
  }
  return whole
}

async function contentsOf({ volume }: Pick<Fixture, 'volume'>, path: string): Promise<Buffer> {
  return readAll(await volume.openFile(p(path)))
}

async function assertClean({ volumes, clock }: Fixture): Promise<void> {
  for await (const event of volumes.fsck({ verify: true })) assert.notEqual(event.kind, 'finding', JSON.stringify(event))
  for (let round = 0; round < 3; round += 1) {
    clock.advance(2_000)
    await volumes.collect()
  }
  for await (const event of volumes.fsck({ verify: true })) assert.notEqual(event.kind, 'finding', JSON.stringify(event))
}

test('changes that touch very many extents are made in transactions of a bounded size', async () => {
  const seen: Seen = { writesMax: 0, frees: [] }
  const fixture = await openFixture({ kv: watched(openMemoryStore(), seen) })
  const { volume } = fixture
  let expected = await makeLarge(fixture)
  assert.ok(expected.equals(await contentsOf(fixture, 'f')))
  // To a third, where much stays and much goes.
  const third = Math.floor(expected.length / 3) + 3
  await volume.truncate(p('f'), third, caller)
  expected = expected.subarray(0, third)
  assert.ok(expected.equals(await contentsOf(fixture, 'f')))
  // One byte under a reader: a table of its own, for which the old one is copied.
  const reader = await volume.openFile(p('f'))
  await volume.writeAt(p('f'), { offset: 1_001, bytes: Buffer.from('x') }, caller)
  const changed = Buffer.from(expected)
  changed.write('x', 1_001)
  assert.ok(expected.equals(await readAll(reader)))
  assert.ok(changed.equals(await contentsOf(fixture, 'f')))
  // The same with a hole in it, which is counted as it was.
  await volume.punch(p('f'), { offset: 3_000, length: 500 }, caller)
  changed.fill(0, 3_000, 3_500)
  assert.equal((await volume.stat(p('f')))?.occupiedBytes, third - 500)
  const again = await volume.openFile(p('f'))
  await volume.writeAt(p('f'), { offset: 2_001, bytes: Buffer.from('y') }, caller)
  changed.write('y', 2_001)
  again?.close()
  assert.ok(changed.equals(await contentsOf(fixture, 'f')))
  assert.equal((await volume.stat(p('f')))?.occupiedBytes, third - 500)
  // A range over the very many.
  await volume.writeAt(p('f'), { offset: 0, bytes: pattern(third - 5, 7) }, caller)
  pattern(third - 5, 7).copy(changed)
  assert.ok(changed.equals(await contentsOf(fixture, 'f')))
  assert.ok(seen.writesMax < 15_000, `a transaction has written ${seen.writesMax} rows`)
  await volume.remove(p('f'), { caller })
  await assertClean(fixture)
})

test('a tree with large files in it is copied in transactions of a bounded size, too', async () => {
  const seen: Seen = { writesMax: 0, frees: [] }
  const fixture = await openFixture({ kv: watched(openMemoryStore(), seen) })
  const { volume } = fixture
  const expected = await makeLarge(fixture)
  await volume.makeDirectory(p('d'), { caller })
  await volume.rename(p('f'), p('d/f'), { caller })
  await volume.writeFile(p('d/a'), bodyOf('small'), { caller })
  await volume.copy(p('d/f'), p('d/g'), { caller })
  await volume.truncate(p('d/g'), 8 * 3_000, caller)
  for (const name of ['h', 'i', 'j']) await volume.copy(p('d/g'), p(`d/${name}`), { caller })
  await volume.copy(p('d'), p('e'), { caller, recursive: true })
  for (const name of ['f', 'g', 'h', 'i', 'j', 'a'])
    assert.ok((await contentsOf(fixture, `e/${name}`)).equals(await contentsOf(fixture, `d/${name}`)), name)
  assert.ok(expected.equals(await contentsOf(fixture, 'e/f')))
  assert.ok(seen.writesMax < 15_000, `a transaction has written ${seen.writesMax} rows`)
  await assertClean(fixture)
})

test('what is cut off a file makes room, also on a full disk', async () => {
  const seen: Seen = { writesMax: 0, frees: [] }
  const { volume } = await openFixture({ kv: watched(openMemoryStore(), seen) })
  await volume.writeFile(p('f'), bodyOf(pattern(9_000)), { caller })
  seen.frees.length = 0
  await volume.truncate(p('f'), 5_000, caller)
  assert.deepEqual(seen.frees, [true])
  seen.frees.length = 0
  await volume.truncate(p('f'), 10_000, caller)
  assert.deepEqual(seen.frees, [false])
})

for (const transactions of [1, 5, 9]) {
  test(`a large change that is cut short behind step ${transactions} has changed nothing, and leaves nothing`, async () => {
    const kv = openMemoryStore()
    const before = await openFixture({ kv })
    const expected = await makeLarge(before)
    const power: Power = { transactions }
    const dying = await openFixture({ kv: poweredStore(kv, power), chunks: before.chunks, clock: before.clock })
    await assert.rejects(dying.volume.truncate(p('f'), Math.floor(expected.length / 2), caller), { name: 'PowerFailure' })
    const after = await openFixture({ kv, chunks: before.chunks, clock: before.clock })
    assert.ok(expected.equals(await contentsOf(after, 'f')))
    await assertClean(after)
  })
}

test('changes of one file at the same time, large and small, all take effect', async () => {
  const fixture = await openFixture()
  const { volume } = fixture
  const expected = Buffer.from(await makeLarge(fixture))
  const { length } = expected
  const half = Math.floor(length / 2)
  const copy = { source: p('f'), sourceOffset: 0, target: p('f'), length: half }
  const small = async (at: number): Promise<void> => {
    for (let round = 0; round < 20; round += 1) {
      await volume.writeAt(p('f'), { offset: at + round * 5, bytes: Buffer.from('abcde') }, caller)
      expected.write('abcde', at + round * 5)
    }
  }
  const tail = expected.subarray(0, half)
  await Promise.all([
    volume.copyRange({ ...copy, targetOffset: length }, caller),
    volume.copyRange({ ...copy, targetOffset: length + half }, caller),
    small(half + 50_000),
    small(half + 60_000),
  ])
  assert.ok(Buffer.concat([expected, tail, tail]).equals(await contentsOf(fixture, 'f')))
  await assertClean(fixture)
})
