import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { bytes, fill, hasCode, numbered, show } from './store-fixture.suite.ts'
import type { FreshStore } from './store-fixture.suite.ts'

export function snapshotTests(fresh: FreshStore): void {
  test('a snapshot that is kept shows one moment, whatever is written meanwhile', async () => {
    const { store } = await fresh()
    await fill(store, numbered(2_000))
    const before = await store.read((snapshot) => show(snapshot.range({})))
    const kept = await store.openSnapshot()
    const walk = kept.range({})
    const walked: string[] = []
    for (let round = 0; round < 20; round += 1) {
      for (let count = 0; count < 100; count += 1) walked.push(...show([walk.next().value as never]))
      await store.transact((transaction) => {
        for (const { key } of transaction.range({ limit: 90 })) transaction.delete(key)
        for (let at = 0; at < 50; at += 1) transaction.put(bytes(`m${round}-${at}`), bytes('new'))
        transaction.put(bytes('n001999'), bytes(`changed ${round}`))
      })
      await store.read((snapshot) => snapshot.range({ limit: 3 }).next())
      await delay(round % 3)
    }
    assert.equal(walk.next().done, true)
    assert.deepEqual(walked, before)
    assert.deepEqual(show(kept.range({})), before)
    assert.deepEqual(show(kept.range({ reverse: true })), before.toReversed())
    assert.deepEqual(kept.get(bytes('n000000')), bytes('vn000000'))
    assert.deepEqual(kept.get(bytes('n001999')), bytes('vn001999'))
    assert.equal(kept.get(bytes('m19-0')), undefined)
    kept.close()
    assert.deepEqual(await store.get(bytes('n001999')), bytes('changed 19'))
  })

  test('several kept snapshots show each its own moment, and end each for itself', async () => {
    const { store } = await fresh()
    const kept = []
    for (let at = 0; at < 5; at += 1) {
      await store.transact((transaction) => transaction.put(bytes('a'), bytes(String(at))))
      kept.push(await store.openSnapshot(), await store.openSnapshot())
    }
    for (const [at, snapshot] of kept.entries()) {
      assert.deepEqual(snapshot.get(bytes('a')), bytes(String(Math.floor(at / 2))))
      snapshot.close()
      await delay(1)
    }
    assert.deepEqual(await store.get(bytes('a')), bytes('4'))
  })

  test('a decoded row is what the row is to whoever asks, however often it was decoded before', async () => {
    const { store, reopen } = await fresh()
    const upper = (value: Buffer): string => value.toString('latin1').toUpperCase()
    const lengthOf = (value: Buffer): number => value.length
    const key = bytes('a')
    const read = (from = store): Promise<string | undefined> => from.read((snapshot) => snapshot.getDecoded(key, upper))
    assert.equal(await read(), undefined)
    await fill(store, ['a', 'b'])
    assert.deepEqual([await read(), await read()], ['VA', 'VA'])
    assert.equal(await store.read((snapshot) => snapshot.getDecoded(key, lengthOf)), 2)
    const kept = await store.openSnapshot()
    const [changing, seen] = await Promise.all([
      store.transact((transaction) => {
        const before = transaction.getDecoded(key, upper)
        transaction.put(key, bytes('new'))
        return [before, transaction.getDecoded(key, upper)]
      }),
      store.transact((transaction) => transaction.getDecoded(key, upper)),
    ])
    assert.deepEqual([...changing, seen, await read()], ['VA', 'NEW', 'NEW', 'NEW'])
    assert.equal(kept.getDecoded(key, upper), 'VA')
    kept.close()
    assert.equal(await read(await reopen()), 'NEW')
  })

  test('a closed snapshot is dead, and its walks have ended', async () => {
    const { store } = await fresh()
    await fill(store, ['a', 'b', 'c'])
    const kept = await store.openSnapshot()
    const walk = kept.range({})
    walk.next()
    kept.close()
    kept.close()
    assert.throws(() => kept.get(bytes('a')), { name: 'InvariantError' })
    assert.throws(() => kept.getDecoded(bytes('a'), String), { name: 'InvariantError' })
    assert.throws(() => kept.range({}), { name: 'InvariantError' })
    assert.throws(() => walk.next(), { name: 'InvariantError' })
  })

  test('closing the store ends the snapshots that are still open', async () => {
    const { store } = await fresh()
    await fill(store, ['a', 'b'])
    const kept = await store.openSnapshot()
    const walk = kept.range({})
    walk.next()
    await store.close()
    assert.throws(() => kept.get(bytes('a')), hasCode('UNAVAILABLE'))
    assert.throws(() => walk.next(), hasCode('UNAVAILABLE'))
    kept.close()
    await assert.rejects(store.openSnapshot(), hasCode('UNAVAILABLE'))
  })
}
