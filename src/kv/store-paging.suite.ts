import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, collect, fill, hasCode, numbered, numberedTo, show } from './store-fixture.suite.ts'
import type { FreshStore } from './store-fixture.suite.ts'
import type { RangeOptions } from './store.ts'

export function pagingTests(fresh: FreshStore): void {
  test('a paged range walks any number of entries in either direction, with bounds and a limit', async () => {
    const { store } = await fresh()
    const names = numbered(3_000)
    await fill(store, names)
    const walk = async (options: RangeOptions): Promise<string[]> =>
      (await collect(store.range(options))).map(({ key }) => key.toString('latin1'))
    assert.deepEqual(await walk({}), names)
    assert.deepEqual(await walk({ reverse: true }), names.toReversed())
    const bounds = { start: bytes('n000100'), end: bytes('n002900') }
    for (const limit of [1, 511, 512, 513, 1_024, 1_025, 2_800, 5_000]) {
      assert.deepEqual(await walk({ ...bounds, limit }), names.slice(100, 2_900).slice(0, limit))
      assert.deepEqual(await walk({ ...bounds, limit, reverse: true }), names.slice(100, 2_900).toReversed().slice(0, limit))
    }
  })

  test('large values make short pages', async () => {
    const { store } = await fresh()
    await store.transact((transaction) => {
      for (const name of numbered(20)) transaction.put(bytes(name), Buffer.alloc(100_000, name))
    })
    const walked = await collect(store.range({ reverse: true }))
    assert.deepEqual(
      walked.map(({ key }) => key.toString('latin1')),
      numbered(20).toReversed(),
    )
    assert.ok(walked.every(({ key, value }) => value.equals(Buffer.alloc(100_000, key))))
  })

  test('while others write, no entry of a paged range appears twice, order holds, and what stays untouched appears', async () => {
    const { store } = await fresh()
    const names = numbered(4_000)
    await fill(store, names)
    const seen: string[] = []
    let others: Promise<void>[] = []
    for await (const { key } of store.range({})) {
      seen.push(key.toString('latin1'))
      if (seen.length % 200 !== 0) continue
      const at = seen.length
      others.push(
        store.transact((transaction) => {
          transaction.delete(bytes(names[at - 1] as string))
          transaction.delete(bytes(names[(at + 1_001) % 4_000] as string))
          transaction.put(bytes(`${names[at]}+`), bytes('new'))
        }),
      )
      if (others.length > 3) {
        await Promise.all(others)
        others = []
      }
    }
    await Promise.all(others)
    assert.deepEqual(seen, [...new Set(seen)].toSorted())
    const touched = new Set(numberedTo(21).flatMap((step) => [step * 200 - 1, (step * 200 + 1_001) % 4_000]))
    const present = new Set(seen)
    for (const [at, name] of names.entries()) if (!touched.has(at)) assert.ok(present.has(name), name)
  })

  test('a paged range lets the event loop turn', async () => {
    const { store } = await fresh()
    await fill(store, numbered(10_000))
    let turned = false
    setImmediate(() => {
      turned = true
    })
    let turnedAt = 0
    for await (const _ of store.range({})) if (!turned) turnedAt += 1
    assert.ok(turnedAt < 5_000, `the loop was held for ${turnedAt} entries`)
  })

  test('a paged range can be left early', async () => {
    const { store } = await fresh()
    await fill(store, numbered(2_000))
    for await (const { key } of store.range({ start: bytes('n000700') })) {
      assert.equal(key.toString('latin1'), 'n000700')
      break
    }
    await store.close()
  })
}

export function closingTests(fresh: FreshStore): void {
  test('what was acknowledged is there after reopening', async () => {
    const { store, reopen } = await fresh()
    await fill(store, ['a', 'b'])
    await store.transact((transaction) => transaction.delete(bytes('a')))
    assert.deepEqual(show(await collect((await reopen()).range({}))), ['b=vb'])
  })

  test('closing waits for what is under way, then everything is refused with UNAVAILABLE; closing twice is harmless', async () => {
    const { store, reopen } = await fresh()
    const acknowledged: string[] = []
    const pending = numbered(50).map((name) => fill(store, [name]).then(() => acknowledged.push(name)))
    const closing = store.close()
    await assert.rejects(store.get(bytes('a')), hasCode('UNAVAILABLE'))
    await assert.rejects(
      store.read(() => 1),
      hasCode('UNAVAILABLE'),
    )
    await assert.rejects(
      store.transact(() => 1),
      hasCode('UNAVAILABLE'),
    )
    await assert.rejects(collect(store.range({})), hasCode('UNAVAILABLE'))
    await Promise.all([closing, store.close()])
    assert.equal(acknowledged.length, 50)
    await Promise.all(pending)
    await store.close()
    assert.equal((await collect((await reopen()).range({}))).length, 50)
  })

  test('a paged range that is under way when the store closes ends with UNAVAILABLE', async () => {
    const { store } = await fresh()
    await fill(store, numbered(2_000))
    const range = store.range({})
    await range.next()
    await store.close()
    await assert.rejects(collect(range), hasCode('UNAVAILABLE'))
  })
}
