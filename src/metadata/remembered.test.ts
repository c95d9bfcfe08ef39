import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { partOfMark } from '#foundation/request-mark.ts'
import type { RequestMark } from '#foundation/request-mark.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { rememberedKey } from './keys.ts'
import { forgetOldResults, hasResults, nextGeneration, once, recall, refuse, settleFailure } from './remembered.ts'
import { plainResult } from './result-codecs.ts'

const TEXT = plainResult<string>()
const COUNT = Buffer.from('count')

function mark(name: string, given: Partial<RequestMark> = {}): RequestMark {
  const id = Buffer.from(name)
  return {
    origin: 'door',
    id,
    fingerprint: Buffer.alloc(16, name),
    arrival: `${name}-1`,
    isRepeat: true,
    isQuestion: false,
    ...given,
  }
}

/** A change that can be seen: it counts. */
function add(kv: KeyValueStore, request: RequestMark | undefined): Promise<string> {
  return kv.transact((tx) =>
    once(tx, request, TEXT, () => {
      const count = (tx.get(COUNT)?.length ?? 0) + 1
      tx.put(COUNT, Buffer.alloc(count))
      return `answer ${count}`
    }),
  )
}

const countOf = async (kv: KeyValueStore): Promise<number> => (await kv.get(COUNT))?.length ?? 0
const recalled = (kv: KeyValueStore, request: RequestMark) => kv.read((snapshot) => recall(snapshot, request, TEXT)?.result)

test('a request that comes again gets its first answer and changes nothing; others are done', async () => {
  const kv = openMemoryStore()
  assert.equal(await recalled(kv, mark('a')), undefined)
  assert.equal(await add(kv, mark('a')), 'answer 1')
  assert.equal(await add(kv, mark('b')), 'answer 2')
  assert.equal(await add(kv, mark('a', { origin: 'client' })), 'answer 3')
  assert.equal(await add(kv, partOfMark(mark('a'), 'x')), 'answer 4')
  assert.equal(await add(kv, undefined), 'answer 5')
  assert.deepEqual(await Promise.all([add(kv, mark('a')), add(kv, mark('b')), recalled(kv, mark('a'))]), [
    'answer 1',
    'answer 2',
    'answer 1',
  ])
  assert.equal(await countOf(kv), 5)
})

test('two that are under way together are done once', async () => {
  const kv = openMemoryStore()
  assert.deepEqual(await Promise.all([add(kv, mark('a')), add(kv, mark('a'))]), ['answer 1', 'answer 1'])
})

test('what fails is not remembered', async () => {
  const kv = openMemoryStore()
  const failing = kv.transact((tx) =>
    once(tx, mark('a'), TEXT, () => {
      throw new Error('not now')
    }),
  )
  await assert.rejects(failing, /not now/)
  assert.equal(await add(kv, mark('a')), 'answer 1')
})

test('a failure that is settled is told again, and nothing comes of what came before', async () => {
  const kv = openMemoryStore()
  const error = new ShoalError('NOT_FOUND', 'There is no such thing', { details: { path: 'a' } })
  const settle = (request: RequestMark, isFinal: boolean) => kv.transact((tx) => settleFailure(tx, request, { error, isFinal }))
  assert.equal(await settle(mark('a', { arrival: 'second' }), true), true)
  await assert.rejects(add(kv, mark('a', { arrival: 'first' })), error)
  await assert.rejects(recalled(kv, mark('a', { arrival: 'third' })), error)
  assert.equal(await settle(mark('b'), false), true)
  assert.equal(await settle(mark('b'), false), true)
  await assert.rejects(add(kv, mark('b')), { code: 'UNAVAILABLE', message: /nothing was done/ })
  assert.equal(await add(kv, mark('b', { arrival: 'later' })), 'answer 1')
  assert.deepEqual(
    [await settle(mark('b'), true), await settle(mark('b'), false)],
    [false, false],
    'what was done has not failed',
  )
  assert.equal(await settle(mark('b', { fingerprint: Buffer.alloc(16, 'other') }), true), true)
  assert.equal(await add(kv, mark('b')), 'answer 1')
})

test('another request by the same name is refused', async () => {
  const kv = openMemoryStore()
  await add(kv, mark('a'))
  const other = mark('a', { fingerprint: Buffer.alloc(16, 'other') })
  await assert.rejects(add(kv, other), { code: 'INVALID_ARGUMENT', details: { field: 'Idempotency-Key' } })
  await assert.rejects(recalled(kv, other), { code: 'INVALID_ARGUMENT' })
  assert.equal(await countOf(kv), 1)
})

test('an arrival that was given up is never done, and a later one of the same request is', async () => {
  const kv = openMemoryStore()
  const arrivals = [1, 2, 3].map((at) => mark('a', { arrival: `from ${at}` }))
  const [first, second, third] = arrivals as [RequestMark, RequestMark, RequestMark]
  assert.equal(await kv.transact((tx) => refuse(tx, first, TEXT)), undefined)
  assert.equal(await kv.transact((tx) => refuse(tx, second, TEXT)), undefined)
  for (const one of [first, second]) await assert.rejects(add(kv, one), { code: 'UNAVAILABLE', message: /nothing was done/ })
  assert.equal(await add(kv, third), 'answer 1')
  for (const one of arrivals) assert.equal(await add(kv, one), 'answer 1')
  assert.deepEqual(await kv.transact((tx) => refuse(tx, first, TEXT)), { result: 'answer 1' }, 'what was done stays done')
})

test('a question is never done', async () => {
  const kv = openMemoryStore()
  await assert.rejects(add(kv, mark('a', { isQuestion: true })), { details: { ambiguous: true } })
  assert.equal(await countOf(kv), 0)
})

test('results are remembered for a generation after their own, and forgotten in steps then', async () => {
  const kv = openMemoryStore()
  for (let at = 0; at < 5; at += 1) await add(kv, mark(`early-${at}`))
  await add(kv, mark('other', { origin: 'client' }))
  await kv.transact((tx) => nextGeneration(tx, 'door'))
  await add(kv, mark('late'))
  assert.equal(await add(kv, mark('early-0')), 'answer 1')
  assert.equal(await kv.transact((tx) => forgetOldResults(tx, 'door', 3)), 0)
  await kv.transact((tx) => nextGeneration(tx, 'door'))
  assert.deepEqual([await recalled(kv, mark('early-0')), await recalled(kv, mark('late'))], [undefined, 'answer 7'])
  const forgotten = []
  for (let step = 0; step < 3; step += 1) forgotten.push(await kv.transact((tx) => forgetOldResults(tx, 'door', 3)))
  assert.deepEqual(forgotten, [3, 2, 0])
  assert.equal(await recalled(kv, mark('late')), 'answer 7')
  await kv.transact((tx) => nextGeneration(tx, 'door'))
  await kv.transact((tx) => forgetOldResults(tx, 'door', 3))
  assert.deepEqual(await kv.read((s) => [hasResults(s, 'door'), hasResults(s, 'client')]), [false, true])
  assert.equal(await recalled(kv, mark('other', { origin: 'client' })), 'answer 6')
})

test('when too much is remembered further requests are told to come again, and those that are known get their answers', async () => {
  const kv = openMemoryStore()
  await add(kv, mark('a'))
  const full = Buffer.alloc(16)
  full.writeBigUInt64BE(1n, 0)
  full.writeBigUInt64BE(2n ** 40n, 8)
  await kv.transact((tx) => tx.put(rememberedKey(1), full))
  await assert.rejects(add(kv, mark('b')), { code: 'BUSY' })
  assert.deepEqual([await add(kv, mark('a')), await countOf(kv)], ['answer 1', 1])
  await kv.transact((tx) => nextGeneration(tx, 'door'))
  assert.equal(await add(kv, mark('b')), 'answer 2')
})
