import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from './store.ts'
import type { KeyValue, KeyValueStore, RangeOptions, Snapshot } from './store.ts'

/** A store for one test, empty at first. */
export interface StoreFixture {
  readonly store: KeyValueStore
  /** How many commits have succeeded since it was opened. */
  readonly commits: () => number
  /** Closes the store if it is open, and opens what it left behind. */
  readonly reopen: () => Promise<KeyValueStore>
  readonly dispose: () => Promise<void>
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const show = (entries: Iterable<KeyValue>): string[] =>
  [...entries].map(({ key, value }) => `${key.toString('latin1')}=${value.toString('latin1')}`)
const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isShoalError(error, code)

async function collect(range: AsyncIterable<KeyValue>): Promise<KeyValue[]> {
  const entries: KeyValue[] = []
  for await (const entry of range) entries.push(entry)
  return entries
}

async function fill(store: KeyValueStore, names: Iterable<string>): Promise<void> {
  await store.transact((transaction) => {
    for (const name of names) transaction.put(bytes(name), bytes(`v${name}`))
  })
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `n${String(at).padStart(6, '0')}`)
}

/** Holds an adapter to every promise of `KeyValueStore`. */
export function storeSuite(name: string, open: () => Promise<StoreFixture>): void {
  describe(`the ${name} key-value store`, () => {
    const fixtures: StoreFixture[] = []
    const fresh: FreshStore = async () => {
      const fixture = await open()
      fixtures.push(fixture)
      return fixture
    }
    afterEach(async () => {
      for (const fixture of fixtures.splice(0)) await fixture.dispose()
    })
    entryTests(fresh)
    rangeTests(fresh)
    transactionTests(fresh)
    overlayTests(fresh)
    commitTests(fresh)
    pagingTests(fresh)
    closingTests(fresh)
    modelTests(fresh)
  })
}

type FreshStore = () => Promise<StoreFixture>

function entryTests(fresh: FreshStore): void {
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

function rangeTests(fresh: FreshStore): void {
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

function transactionTests(fresh: FreshStore): void {
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

function overlayTests(fresh: FreshStore): void {
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

function commitTests(fresh: FreshStore): void {
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

function numberedTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at)
}

function pagingTests(fresh: FreshStore): void {
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

function closingTests(fresh: FreshStore): void {
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

type Step =
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'get'; readonly key: string }
  | {
      readonly kind: 'range'
      readonly start: string | undefined
      readonly end: string | undefined
      readonly reverse: boolean
      readonly limit: number | undefined
    }

interface Plan {
  readonly steps: readonly Step[]
  readonly throws: boolean
  /** Whether to wait for the acknowledgement before the next transaction. */
  readonly waits: boolean
}

const anyKey = fc.string({ unit: fc.constantFrom('\x00', 'a', 'b', '\xff'), minLength: 1, maxLength: 3 })
const anyBound = fc.option(fc.string({ unit: fc.constantFrom('\x00', 'a', 'b', '\xff'), maxLength: 3 }), { nil: undefined })
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put'), key: anyKey, value: fc.string({ maxLength: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete'), key: anyKey }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('get'), key: anyKey }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('range'),
      start: anyBound,
      end: anyBound,
      reverse: fc.boolean(),
      limit: fc.option(fc.nat(6), { nil: undefined }),
    }),
  },
)
const anyPlan: fc.Arbitrary<Plan> = fc.record({
  steps: fc.array(anyStep, { maxLength: 12 }),
  throws: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
  waits: fc.integer({ min: 0, max: 3 }).map((dice) => dice === 0),
})

function modelTests(fresh: FreshStore): void {
  test('random transactions do what they do to a sorted array', async () => {
    const { store } = await fresh()
    await fc.assert(
      fc.asyncProperty(fc.array(anyPlan, { minLength: 1, maxLength: 12 }), async (plans) => {
        await store.transact((transaction) => {
          for (const { key } of transaction.range({})) transaction.delete(key)
        })
        let model = new Map<string, string>()
        const pending: Promise<void>[] = []
        for (const plan of plans) {
          const after = new Map(model)
          const expected = plan.steps.map((step) => stepModel(after, step))
          if (!plan.throws) model = after
          const running = runPlan(store, plan).then((results) => assert.deepEqual(results, expected))
          pending.push(running)
          if (plan.waits) await running
        }
        await Promise.all(pending)
        const everything = { kind: 'range', start: undefined, end: undefined, reverse: false, limit: undefined } as const
        assert.deepEqual(show(await collect(store.range({}))), stepModel(model, everything))
        assert.deepEqual(
          await store.read((snapshot) => show(snapshot.range({ reverse: true }))),
          stepModel(model, { ...everything, reverse: true }),
        )
      }),
      { numRuns: 200 },
    )
  })
}

async function runPlan(store: KeyValueStore, { steps, throws }: Plan): Promise<unknown[]> {
  const results: unknown[] = []
  const stop = new Error('planned')
  const running = store.transact((transaction) => {
    for (const step of steps) {
      if (step.kind === 'put') results.push(transaction.put(bytes(step.key), bytes(step.value)))
      else if (step.kind === 'delete') results.push(transaction.delete(bytes(step.key)))
      else if (step.kind === 'get') results.push(transaction.get(bytes(step.key))?.toString('latin1'))
      else results.push(show(transaction.range(rangeOf(step))))
    }
    if (throws) throw stop
  })
  await (throws ? assert.rejects(running, (error) => error === stop) : running)
  return results
}

function rangeOf({ start, end, reverse, limit }: Extract<Step, { kind: 'range' }>): RangeOptions {
  return {
    ...(start === undefined ? {} : { start: bytes(start) }),
    ...(end === undefined ? {} : { end: bytes(end) }),
    ...(limit === undefined ? {} : { limit }),
    reverse,
  }
}

function stepModel(model: Map<string, string>, step: Step): unknown {
  if (step.kind === 'put') model.set(step.key, step.value)
  else if (step.kind === 'delete') model.delete(step.key)
  else if (step.kind === 'get') return model.get(step.key)
  else {
    const { start = '', end, reverse, limit } = step
    const inside = [...model].filter(([key]) => key >= start && (end === undefined || key < end))
    inside.sort(([a], [b]) => (a < b ? -1 : 1))
    return (reverse ? inside.toReversed() : inside).slice(0, limit).map(([key, value]) => `${key}=${value}`)
  }
  return undefined
}
