import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, collect, fill, hasCode, numbered, show } from './store-fixture.suite.ts'
import type { FreshStore } from './store-fixture.suite.ts'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from './store.ts'
import type { KeyValueStore, RangeOptions, Snapshot } from './store.ts'

export function entryTests(fresh: FreshStore): void {
  test('an absent key reads as undefined, a present one as its bytes', async () => {
    const { store } = await fresh()
    assert.equal(await store.get(bytes('a')), undefined)
    await store.transact((transaction) => transaction.put(bytes('a'), bytes('1')))
    assert.deepEqual(await store.get(bytes('a')), bytes('1'))
    assert.deepEqual(await store.read((snapshot) => snapshot.get(bytes('a'))), bytes('1'))
    await store.transact((transaction) => {
      transaction.delete(bytes('a'))
      transaction.delete(bytes('never there'))
    })
    assert.equal(await store.get(bytes('a')), undefined)
  })

  test('values of every size come back byte for byte, from get, range and a reopened store', async () => {
    const { store, reopen } = await fresh()
    const sizes = [0, 1, 7, 63, 64, 100, 2_000, 4_095, 4_096, 4_097, 16_384, 32_767, 32_768, 32_769, 65_536, 300_001, 1 << 20]
    const valueOf = (size: number): Buffer => Buffer.alloc(size, `content of ${size}`)
    await store.transact((transaction) => {
      for (const size of sizes) transaction.put(bytes(String(size)), valueOf(size))
    })
    for (let round = 0; round < 2; round += 1) {
      const opened = round === 0 ? store : await reopen()
      for (const size of [...sizes, ...sizes.toReversed()])
        assert.ok(valueOf(size).equals((await opened.get(bytes(String(size)))) as Buffer))
      const walked = await opened.read((snapshot) => [...snapshot.range({})])
      assert.equal(walked.length, sizes.length)
      for (const { key, value } of walked)
        assert.ok(value.equals(valueOf(Number(key.toString('latin1')))), `size ${key.toString('latin1')}`)
    }
  })

  test('keys and values may be as long as allowed and no longer, and a key is never empty', async () => {
    const { store, reopen } = await fresh()
    const key = Buffer.alloc(MAX_KEY_BYTES, 0xff)
    const neighbour = Buffer.concat([key.subarray(1), Buffer.of(0xfe)])
    const value = Buffer.alloc(MAX_VALUE_BYTES, 'v')
    await store.transact((transaction) => {
      transaction.put(key, value)
      transaction.put(neighbour, bytes('n'))
    })
    const reopened = await reopen()
    assert.ok(value.equals((await reopened.get(key)) as Buffer))
    assert.deepEqual(
      (await collect(reopened.range({}))).map((entry) => entry.key),
      [neighbour, key],
    )
    assert.deepEqual(
      (await collect(reopened.range({ reverse: true }))).map((entry) => entry.key),
      [key, neighbour],
    )
    const tooLong = Buffer.alloc(MAX_KEY_BYTES + 1)
    for (const bad of [tooLong, Buffer.alloc(0)]) {
      await assert.rejects(reopened.get(bad), hasCode('INVALID_ARGUMENT'))
      await assert.rejects(
        reopened.read((snapshot) => snapshot.get(bad)),
        hasCode('INVALID_ARGUMENT'),
      )
      await assert.rejects(
        reopened.transact((transaction) => transaction.put(bad, bytes('v'))),
        hasCode('INVALID_ARGUMENT'),
      )
      await assert.rejects(
        reopened.transact((transaction) => transaction.delete(bad)),
        hasCode('INVALID_ARGUMENT'),
      )
    }
    const tooLarge = Buffer.alloc(MAX_VALUE_BYTES + 1)
    await assert.rejects(
      reopened.transact((transaction) => transaction.put(bytes('a'), tooLarge)),
      hasCode('INVALID_ARGUMENT'),
    )
    assert.equal(await reopened.get(bytes('a')), undefined)
  })

  test('buffers that come out belong to the caller: writing into them changes nothing, and they keep their bytes', async () => {
    const { store } = await fresh()
    await fill(store, ['a', 'b'])
    const scribble = (snapshot: Snapshot): void => {
      snapshot.get(bytes('a'))?.fill('x')
      for (const { key, value } of snapshot.range({})) {
        key.fill('x')
        value.fill('x')
      }
    }
    await store.read(scribble)
    const pending = store.transact((transaction) => {
      transaction.put(bytes('c'), bytes('vc'))
      scribble(transaction)
    })
    await store.transact(scribble)
    await pending
    const kept = await store.read((snapshot) => [...snapshot.range({})])
    await store.transact((transaction) => transaction.put(bytes('a'), bytes('zz')))
    assert.deepEqual(await store.get(bytes('b')), bytes('vb'))
    assert.deepEqual(show(kept), ['a=va', 'b=vb', 'c=vc'])
  })
}

export function rangeTests(fresh: FreshStore): void {
  test('keys order as unsigned bytes, a shorter key before its extensions', async () => {
    const { store } = await fresh()
    const ordered = [
      '\x00',
      '\x00\x00',
      '\x00\x01',
      '\x01',
      'a',
      'a\x00',
      'a\x00\xff',
      'aa',
      'b',
      '\x7f',
      '\x80',
      '\xff',
      '\xff\x00',
      '\xff\xff',
    ]
    await fill(store, ordered.toReversed())
    const forward = await store.read((snapshot) => [...snapshot.range({})].map(({ key }) => key.toString('latin1')))
    assert.deepEqual(forward, ordered)
    const backward = await store.read((snapshot) =>
      [...snapshot.range({ reverse: true })].map(({ key }) => key.toString('latin1')),
    )
    assert.deepEqual(backward, ordered.toReversed())
  })

  test('a range is half-open in both directions, whether or not its bounds are present, and long bounds are fine', async () => {
    const { store } = await fresh()
    const names = ['b', 'd', 'f', 'h']
    await fill(store, names)
    const long = '\x00'.repeat(MAX_KEY_BYTES * 3)
    const bounds = [
      undefined,
      '',
      '\x00',
      'a',
      'b',
      'c',
      'd',
      'e',
      'f',
      'g',
      'h',
      'i',
      `d${long}`,
      `e${long}`,
      '\xff'.repeat(5_000),
    ]
    for (const start of bounds) {
      for (const end of bounds) {
        const inside = names.filter((key) => (start === undefined || key >= start) && (end === undefined || key < end))
        const options = {
          ...(start === undefined ? {} : { start: bytes(start) }),
          ...(end === undefined ? {} : { end: bytes(end) }),
        }
        await assertRange(
          store,
          options,
          inside.map((key) => `${key}=v${key}`),
        )
      }
    }
  })

  test('a limit counts from the end at which the walk begins', async () => {
    const { store } = await fresh()
    await fill(store, ['a', 'b', 'c', 'd'])
    const read = (options: RangeOptions): Promise<string[]> => store.read((snapshot) => show(snapshot.range(options)))
    assert.deepEqual(await read({ limit: 2 }), ['a=va', 'b=vb'])
    assert.deepEqual(await read({ limit: 2, reverse: true }), ['d=vd', 'c=vc'])
    assert.deepEqual(await read({ limit: 0 }), [])
    assert.deepEqual(await read({ limit: 9, start: bytes('c') }), ['c=vc', 'd=vd'])
    for (const limit of [-1, 1.5, Number.NaN]) await assert.rejects(read({ limit }), hasCode('INVALID_ARGUMENT'))
  })

  test('several walks of one snapshot go on side by side, and one may be left early', async () => {
    const { store } = await fresh()
    await fill(store, numbered(50))
    await store.read((snapshot) => {
      const forward = snapshot.range({})
      const backward = snapshot.range({ reverse: true })
      for (let at = 0; at < 20; at += 1) {
        assert.equal(forward.next().value?.key.toString('latin1'), numbered(50)[at])
        assert.equal(backward.next().value?.key.toString('latin1'), numbered(50)[49 - at])
        for (const entry of snapshot.range({ start: bytes('n000030') })) {
          assert.equal(entry.key.toString('latin1'), 'n000030')
          break
        }
      }
    })
    for (let round = 0; round < 2_000; round += 1) await store.read((snapshot) => snapshot.range({}).next())
    assert.equal((await collect(store.range({}))).length, 50)
  })

  test('a walk fetches only what is pulled', async () => {
    const { store } = await fresh()
    await fill(store, numbered(20_000))
    const costMs = (walk: (snapshot: Snapshot) => void): Promise<number> =>
      store.read((snapshot) => {
        const begin = performance.now()
        walk(snapshot)
        return performance.now() - begin
      })
    const allMs = await costMs((snapshot) => assert.equal([...snapshot.range({})].length, 20_000))
    let firstMs = Infinity
    for (let round = 0; round < 20; round += 1) firstMs = Math.min(firstMs, await costMs((snapshot) => snapshot.range({}).next()))
    assert.ok(firstMs < allMs / 10, `the first entry took ${firstMs} ms, all 20,000 took ${allMs} ms`)
  })
}

async function assertRange(store: KeyValueStore, options: RangeOptions, expected: readonly string[]): Promise<void> {
  const reverse = { ...options, reverse: true }
  const text = JSON.stringify(options)
  assert.deepEqual(await store.read((snapshot) => show(snapshot.range(options))), expected, text)
  assert.deepEqual(await store.read((snapshot) => show(snapshot.range(reverse))), expected.toReversed(), `reverse ${text}`)
  assert.deepEqual(show(await collect(store.range(options))), expected, `paged ${text}`)
  assert.deepEqual(show(await collect(store.range(reverse))), expected.toReversed(), `paged, reverse ${text}`)
}
