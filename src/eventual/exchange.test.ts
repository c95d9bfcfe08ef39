import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { EventualNode } from './eventual-node.ts'
import { nodeId, openReplica } from './fixture.suite.ts'
import { NO_TIME } from './hybrid-clock.ts'
import { kindRange } from './keys.ts'
import type { Message } from './message.ts'
import { decodeMessage, encodeMessage } from './message-codec.ts'
import type { Replica } from './replica.ts'
import { valueOf } from './simulation-history.suite.ts'
import { tidyReplica } from './tidy.ts'

/** Two members whose messages are counted, and can be lost. */
async function twoMembers(depth: 2 | 4) {
  const clock = new ManualClock()
  const replicas = [await openReplica({ clock, depth }), await openReplica({ clock, depth, id: 'b' })]
  for (const replica of replicas) for (const letter of ['a', 'b']) await replica.admit(nodeId(letter))
  const traffic = {
    bytes: 0,
    calls: 0,
    isLost: (_call: number): boolean => false,
    lostAs: 'TIMEOUT' as 'TIMEOUT' | 'UNAVAILABLE',
  }
  const carry = (message: Message) => {
    const bytes = encodeMessage(message)
    traffic.bytes += bytes.length
    traffic.calls += 1
    if (traffic.isLost(traffic.calls)) throw new ShoalError(traffic.lostAs, 'No answer came')
    return decodeMessage(bytes)
  }
  const nodes: EventualNode[] = replicas.map(
    (replica) =>
      new EventualNode({
        replica,
        clock,
        random: new SeededRandom(1),
        log: silentLog,
        peers: {
          running: () => ['a', 'b'].map(nodeId).filter((id) => id !== replica.node),
          call: async (to, message) => carry(await nodes[to === nodeId('a') ? 0 : 1]!.answer(carry(message))),
        },
      }),
  )
  return { a: replicas[0]!, b: replicas[1]!, nodes, traffic, clock }
}

/** Writes many entries on one replica. */
async function fill(replica: Replica, names: readonly string[]): Promise<void> {
  await replica.change((transaction) => {
    for (const path of names) replica.table.write(transaction, { volume: 'docs', path }, { value: valueOf(`of ${path}`) })
  })
}

async function copyAll(from: Replica, to: Replica, names: readonly string[]): Promise<void> {
  const entries = await from.store.read((snapshot) => names.map((path) => from.transferred(snapshot, { volume: 'docs', path })))
  await to.mergeAll(entries, NO_TIME, { from: from.node, by: 'rumour' })
}

async function rootOf({ store, table }: Replica): Promise<string> {
  return store.read((snapshot) => table.tree.root(snapshot).toString('hex'))
}

async function entriesOf({ store }: Replica): Promise<number> {
  return store.read((snapshot) => [...snapshot.range(kindRange('x'))].length)
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}${at}`)

test('an exchange moves what differs, and little else', async () => {
  const { a, b, nodes, traffic } = await twoMembers(4)
  const common = names('common/', 5000)
  await fill(a, common)
  await copyAll(a, b, common)
  assert.equal(await rootOf(a), await rootOf(b))
  await nodes[0]!.exchangeWith(nodeId('b'))
  assert.ok(traffic.bytes < 600, `${traffic.bytes} bytes when nothing differs`)
  traffic.bytes = 0
  await fill(a, names('of-a/', 25))
  await fill(b, names('of-b/', 25))
  await fill(a, names('common/', 25))
  await fill(b, common.slice(1000, 1025))
  const { received, sent } = await nodes[0]!.exchangeWith(nodeId('b'))
  assert.deepEqual([received, sent], [75, 75])
  assert.ok(traffic.bytes < 50_000, `${traffic.bytes} bytes for 100 entries that differ`)
  assert.equal(await rootOf(a), await rootOf(b))
  assert.equal(await entriesOf(a), 5050)
})

for (const depth of [2, 4] as const) {
  test(`an exchange that breaks off anywhere goes on where it was, in the next one (trees of ${depth} levels)`, async () => {
    const { a, b, nodes, traffic } = await twoMembers(depth)
    await fill(a, names('of-a/', 1500))
    await fill(b, names('of-b/', 1500))
    let missing = 3000
    for (let tries = 0; (await rootOf(a)) !== (await rootOf(b)); tries += 1) {
      assert.ok(tries < 200, 'it does not end')
      const lastCall = traffic.calls + ((tries * 7) % 41)
      traffic.isLost = (call) => call > lastCall
      await nodes[tries % 2]!.exchangeWith(nodeId(tries % 2 === 0 ? 'b' : 'a')).catch((error: unknown) =>
        assert.ok(isShoalError(error, 'TIMEOUT')),
      )
      const left = 6000 - (await entriesOf(a)) - (await entriesOf(b))
      assert.ok(left <= missing)
      missing = left
    }
    assert.equal(await entriesOf(a), 3000)
    assert.equal(missing, 0)
  })
}

test('a message that is lost now and then is sent again, and one exchange moves everything', async () => {
  const { a, b, nodes, traffic } = await twoMembers(4)
  await fill(a, names('of-a/', 500))
  await fill(b, names('of-b/', 500))
  traffic.lostAs = 'UNAVAILABLE'
  traffic.isLost = (call) => call > 2 && call % 4 === 0
  await nodes[0]!.exchangeWith(nodeId('b'))
  assert.equal(await rootOf(a), await rootOf(b))
  assert.equal(await entriesOf(a), 1000)
})

test('the digests that writes keep are those of the rows, whatever was written, merged, dropped and forgotten', async () => {
  const { a, b } = await twoMembers(4)
  await fill(a, names('x', 200))
  await copyAll(a, b, names('x', 200))
  await b.change((transaction) => {
    for (const path of names('x', 50)) b.table.write(transaction, { volume: 'docs', path }, { value: undefined })
  })
  await copyAll(b, a, names('x', 100))
  for (const { store, table } of [a, b])
    await store.read((snapshot) => {
      const sum = Buffer.alloc(8)
      for (const { digest } of table.tree.rows(snapshot, '', undefined))
        for (let at = 0; at < 8; at += 1) sum[at] = sum[at]! ^ digest[at]!
      assert.deepEqual(table.tree.root(snapshot), sum)
      const children = table.tree.children(snapshot, '')
      assert.equal(children.length, 16)
      assert.ok(children.every((child) => child.some((byte) => byte !== 0)))
    })
  assert.equal(await rootOf(a), await rootOf(b))
})

test('a node that claims to be of the far future is not listened to, and the rest of what others say of it is taken', async () => {
  const { a, b, clock } = await twoMembers(2)
  await fill(a, ['good'])
  clock.advance(10 * 3_600_000)
  await fill(a, ['bad'])
  clock.advance(-10 * 3_600_000)
  const entries = await a.store.read((snapshot) =>
    ['good', 'bad'].map((path) => a.transferred(snapshot, { volume: 'docs', path })),
  )
  await assert.rejects(b.mergeAll(entries, NO_TIME, { from: a.node, by: 'rumour' }), (error) =>
    isShoalError(error, 'UNAVAILABLE'),
  )
  assert.deepEqual([await entriesOf(b), b.refusedFuture], [1, 1])
})

test('beyond ten thousand rumours no more are kept, in memory or on the disk', async () => {
  const { a } = await twoMembers(2)
  for (let from = 0; from < 12_000; from += 2000) {
    await a.change((transaction, tell) => {
      for (let at = from; at < from + 2000; at += 1) {
        const place = { volume: 'docs', path: `${at}` }
        a.table.write(transaction, place, { value: undefined })
        tell(place)
      }
    })
  }
  const kept = () => a.store.read((snapshot) => [...snapshot.range(kindRange('r'))].length)
  assert.deepEqual([a.rumours.size, a.rumours.refused, await kept()], [10_000, 2000, 10_000])
  for (const rumour of a.rumours.take(nodeId('b'), 10_000)) while (!a.rumours.told(rumour, 'known', nodeId('b')));
  await tidyReplica(a)
  assert.equal(await kept(), 0)
})
