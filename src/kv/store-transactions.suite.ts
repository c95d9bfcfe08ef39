import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { bytes, collect, fill, hasCode, numbered, numberedTo, show } from './store-fixture.suite.ts'
import type { FreshStore } from './store-fixture.suite.ts'
import { MAX_VALUE_BYTES } from './store.ts'

export function transactionTests(fresh: FreshStore): void {
  test('a transaction runs at once and returns what its callback returns', async () => {
    const { store } = await fresh()
    let ran = false
    const pending = store.transact(() => {
      ran = true
      return 42
    })
    assert.ok(ran)
    assert.equal(await pending, 42)
  })

  test('a callback that throws writes nothing, and its error is what transact rejects with', async () => {
    const { store } = await fresh()
    const error = new Error('changed my mind')
    const failing = store.transact((transaction) => {
      transaction.put(bytes('a'), bytes('1'))
      throw error
    })
    const following = store.transact((transaction) => transaction.get(bytes('a')))
    await assert.rejects(failing, (thrown) => thrown === error)
    assert.equal(await following, undefined)
    assert.equal(await store.get(bytes('a')), undefined)
  })

  test('an asynchronous callback is refused and writes nothing', async () => {
    const { store } = await fresh()
    const refused = { name: 'InvariantError', message: /must not be asynchronous/ }
    await assert.rejects(
      store.transact(async (transaction) => {
        transaction.put(bytes('a'), bytes('1'))
        await delay(1)
        transaction.put(bytes('b'), bytes('1'))
      }),
      refused,
    )
    await assert.rejects(
      store.read(async (snapshot) => snapshot.get(bytes('a'))),
      refused,
    )
    await delay(5)
    assert.deepEqual(await collect(store.range({})), [])
  })

  test('a snapshot or transaction that was kept is dead, and its walks have ended', async () => {
    const { store } = await fresh()
    await fill(store, ['a', 'b'])
    const kept = await store.read((snapshot) => snapshot)
    const written = await store.transact((transaction) => transaction)
    for (const view of [kept, written]) {
      assert.throws(() => view.get(bytes('a')), { name: 'InvariantError' })
      assert.throws(() => view.getDecoded(bytes('a'), String), { name: 'InvariantError' })
      assert.throws(() => view.range({}), { name: 'InvariantError' })
    }
    assert.throws(() => written.put(bytes('a'), bytes('1')), { name: 'InvariantError' })
    assert.throws(() => written.delete(bytes('a')), { name: 'InvariantError' })
    const walks = await store.transact((transaction) => {
      const clean = transaction.range({})
      transaction.put(bytes('c'), bytes('vc'))
      const merged = transaction.range({})
      assert.ok(!clean.next().done && !merged.next().done)
      return { clean, merged }
    })
    assert.ok(walks.clean.next().done && walks.merged.next().done)
    await store.transact((transaction) => transaction.delete(bytes('a')))
    assert.deepEqual(show(await collect(store.range({}))), ['b=vb', 'c=vc'])
  })

  test('a part that throws leaves nothing behind, and what is around it stays', async () => {
    const { store } = await fresh()
    await fill(store, ['a', 'b', 'c'])
    const error = new Error('changed my mind')
    await store.transact((transaction) => {
      transaction.put(bytes('b'), bytes('before'))
      const failing = (): void =>
        transaction.attempt(() => {
          transaction.put(bytes('b'), bytes('1'))
          transaction.put(bytes('b'), bytes('2'))
          transaction.delete(bytes('a'))
          transaction.delete(bytes('d'))
          transaction.put(bytes('e'), bytes('3'))
          assert.deepEqual(show(transaction.range({ limit: 3 })), ['b=2', 'c=vc', 'e=3'])
          throw error
        })
      const { writtenBytes } = transaction
      assert.throws(failing, (thrown) => thrown === error)
      assert.equal(transaction.writtenBytes, writtenBytes)
      assert.deepEqual(show(transaction.range({})), ['a=va', 'b=before', 'c=vc'])
      assert.equal(transaction.get(bytes('e')), undefined)
      assert.equal(
        transaction.attempt(() => {
          transaction.put(bytes('f'), bytes('4'))
          assert.throws(failing, (thrown) => thrown === error)
          return transaction.get(bytes('f'))?.toString()
        }),
        '4',
      )
    })
    assert.deepEqual(show(await collect(store.range({}))), ['a=va', 'b=before', 'c=vc', 'f=4'])
  })

  test('a part may be as large as a transaction, whatever was written before it', async () => {
    const { store } = await fresh()
    const value = Buffer.alloc(MAX_VALUE_BYTES)
    const stop = new Error('not written after all')
    const huge = store.transact((transaction) => {
      transaction.put(bytes('first'), value)
      transaction.attempt(() => {
        for (const name of numbered(3)) transaction.put(bytes(name), value)
      })
      assert.throws(
        () =>
          transaction.attempt(() => {
            for (const name of numbered(5)) transaction.put(bytes(`p${name}`), value)
          }),
        hasCode('TOO_LARGE'),
      )
      throw stop
    })
    await assert.rejects(huge, (thrown) => thrown === stop)
  })

  test('an asynchronous part is refused', async () => {
    const { store } = await fresh()
    const refused = { name: 'InvariantError', message: /must not be asynchronous/ }
    await store.transact((transaction) => {
      const part = async (): Promise<void> => transaction.put(bytes('a'), bytes('1'))
      assert.throws(() => transaction.attempt(part), refused)
    })
    assert.deepEqual(await collect(store.range({})), [])
  })

  test('a transaction within a transaction is refused', async () => {
    const { store } = await fresh()
    let inner: Promise<unknown> = Promise.resolve()
    await store.transact(() => {
      inner = store.transact(() => {})
      inner.catch(() => {})
    })
    await assert.rejects(inner, { name: 'InvariantError' })
  })
}

export function overlayTests(fresh: FreshStore): void {
  test('a transaction reads its own writes, in gets and in ranges, removals included', async () => {
    const { store } = await fresh()
    await fill(store, ['a', 'c', 'e'])
    await store.transact((transaction) => {
      transaction.put(bytes('b'), bytes('new'))
      transaction.put(bytes('c'), bytes('other'))
      transaction.delete(bytes('e'))
      transaction.put(bytes('f'), bytes('gone'))
      transaction.delete(bytes('f'))
      assert.deepEqual(transaction.get(bytes('b')), bytes('new'))
      assert.deepEqual(transaction.get(bytes('c')), bytes('other'))
      assert.equal(transaction.get(bytes('e')), undefined)
      assert.equal(transaction.get(bytes('f')), undefined)
      assert.deepEqual(show(transaction.range({})), ['a=va', 'b=new', 'c=other'])
      assert.deepEqual(show(transaction.range({ reverse: true })), ['c=other', 'b=new', 'a=va'])
      assert.deepEqual(show(transaction.range({ start: bytes('b'), end: bytes('c') })), ['b=new'])
      assert.deepEqual(show(transaction.range({ start: bytes('d') })), [])
      assert.deepEqual(show(transaction.range({ reverse: true, limit: 2 })), ['c=other', 'b=new'])
    })
    assert.deepEqual(show(await collect(store.range({}))), ['a=va', 'b=new', 'c=other'])
  })

  test('a walk shows the moment of its call, whatever the transaction writes meanwhile', async () => {
    const { store } = await fresh()
    await fill(store, ['a', 'b', 'c'])
    await store.transact((transaction) => {
      transaction.put(bytes('bb'), bytes('1'))
      const seen: string[] = []
      for (const { key } of transaction.range({})) {
        seen.push(key.toString('latin1'))
        transaction.put(Buffer.concat([key, bytes('z')]), bytes('behind or ahead'))
        transaction.delete(bytes('c'))
        transaction.delete(bytes('bb'))
      }
      assert.deepEqual(seen, ['a', 'b', 'bb', 'c'])
      for (const { key } of transaction.range({})) transaction.delete(key)
      assert.deepEqual(show(transaction.range({})), [])
    })
    assert.deepEqual(await collect(store.range({})), [])
  })

  test('a transaction sees all transactions called before it, flushed or not', async () => {
    const { store } = await fresh()
    await fill(store, ['a', 'c'])
    const pending = [
      store.transact((transaction) => transaction.delete(bytes('a'))),
      store.transact((transaction) => transaction.put(bytes('b'), bytes('1'))),
    ]
    await Promise.resolve()
    await Promise.resolve()
    pending.push(store.transact((transaction) => transaction.put(bytes('b'), bytes('2'))))
    const seen = await store.transact((transaction) => [
      show(transaction.range({})),
      show(transaction.range({ reverse: true, limit: 1 })),
    ])
    assert.deepEqual(seen, [['b=2', 'c=vc'], ['c=vc']])
    await Promise.all(pending)
  })
}

export function commitTests(fresh: FreshStore): void {
  test('transactions take effect one after another in the order of their calls: no update is lost', async () => {
    const { store, reopen } = await fresh()
    const order: number[] = []
    const increment = async (at: number): Promise<void> => {
      const before = await store.transact((transaction) => {
        const count = Number(transaction.get(bytes('count'))?.toString() ?? 0)
        transaction.put(bytes('count'), bytes(String(count + 1)))
        return count
      })
      assert.equal(before, at)
      order.push(at)
    }
    await Promise.all(Array.from({ length: 1_000 }, (_, at) => increment(at)))
    assert.deepEqual(order, numberedTo(1_000))
    assert.equal((await (await reopen()).get(bytes('count')))?.toString(), '1000')
  })

  test('a thousand concurrent transactions share a few commits', async () => {
    const { store, commits } = await fresh()
    await Promise.all(numbered(1_000).map((name) => fill(store, [name])))
    assert.ok(commits() < 20, `${commits()} commits for 1,000 transactions`)
    assert.equal((await collect(store.range({}))).length, 1_000)
  })

  test('a read never sees a transaction before it could be acknowledged, nor a part of one, and sees it ever after', async () => {
    const { store } = await fresh()
    let acknowledged = -1
    let called = -1
    const write = async (at: number): Promise<void> => {
      called = at
      await store.transact((transaction) => {
        for (const half of ['x', 'y', 'z']) transaction.put(bytes(half), bytes(String(at)))
      })
      assert.ok(at > acknowledged)
      acknowledged = at
    }
    let last = -1
    const look = async (): Promise<void> => {
      const before = acknowledged
      const [x, y, z] = await store.read((snapshot) =>
        ['x', 'y', 'z'].map((half) => Number(snapshot.get(bytes(half))?.toString() ?? -1)),
      )
      assert.ok(x === y && y === z, `halves ${x}, ${y}, ${z}`)
      assert.ok((x as number) >= before && (x as number) <= called && (x as number) >= last)
      last = x as number
    }
    let at = 0
    for (let round = 0; round < 60; round += 1) {
      const writes: Promise<void>[] = []
      for (let count = 0; count < 10; count += 1) {
        writes.push(write(at))
        at += 1
        await look()
      }
      if (round % 3 === 0) await Promise.all(writes)
      await look()
    }
    await store.transact(() => {})
    await look()
    assert.equal(last, at - 1)
  })

  test('a transaction that writes nothing is acknowledged only after what it may have seen', async () => {
    const { store } = await fresh()
    const events: string[] = []
    const note = (event: string) => (): number => events.push(event)
    await Promise.all([
      fill(store, ['a']).then(note('write')),
      store.transact((transaction) => transaction.get(bytes('a'))).then(note('reading transaction')),
      store
        .transact((transaction) => {
          if (transaction.get(bytes('a')) !== undefined) throw new Error('already there')
        })
        .catch(note('failing transaction')),
    ])
    assert.deepEqual(events, ['write', 'reading transaction', 'failing transaction'])
  })

  test('one transaction of many thousand writes is one commit, and lasts', async () => {
    const { store, commits, reopen } = await fresh()
    await fill(store, numbered(20_000))
    assert.equal(commits(), 1)
    await store.transact((transaction) => {
      for (const { key } of transaction.range({ end: bytes('n019990') })) transaction.delete(key)
    })
    assert.deepEqual(
      (await collect((await reopen()).range({}))).map(({ key }) => key.toString('latin1')),
      numbered(20_000).slice(-10),
    )
  })

  test('a transaction of more than 64 MiB is refused whole', async () => {
    const { store } = await fresh()
    const value = Buffer.alloc(MAX_VALUE_BYTES)
    const huge = store.transact((transaction) => {
      for (const name of numbered(5)) transaction.put(bytes(name), value)
    })
    await assert.rejects(huge, hasCode('TOO_LARGE'))
    assert.deepEqual(await collect(store.range({})), [])
  })
}
