import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { isShoalError } from '#foundation/errors.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { appendSurely } from './append-surely.ts'
import type { Leadership } from './log.ts'
import { MemoryLog } from './memory.ts'
import type { Fault, MemoryLogCall, MemoryLogClient } from './memory.ts'

const never = new AbortController().signal

interface World {
  readonly clock: ManualClock
  readonly log: MemoryLog
  readonly client: MemoryLogClient
  readonly term: Leadership
  /** What becomes of the next calls, in order. */
  readonly faults: (Fault | undefined)[]
}

async function world(): Promise<World> {
  const clock = new ManualClock()
  const log = new MemoryLog({ clock, leaseMs: 1_000_000 })
  const faults: (Fault | undefined)[] = []
  const fault = (call: MemoryLogCall): Fault | undefined => (call === 'append' || call === 'entry' ? faults.shift() : undefined)
  const client = log.client({ clock, fault })
  return { clock, log, client, term: await client.lead({ id: 'a', address: 'a' }, never), faults }
}

async function surely({ clock, client, term }: World, index = 1, signal = never): Promise<string> {
  const options = { clock, withinMs: 2_000, signal }
  const appending = appendSurely(client, { epoch: term.epoch, index, bytes: Buffer.from(`entry ${index}`) }, options)
  let isDone = false
  void appending.catch(() => {}).finally(() => (isDone = true))
  for (let ms = 0; !isDone; ms += 10) {
    assert.ok(ms < 10_000)
    clock.advance(10)
    await turn()
  }
  return appending.catch((error: unknown) => (isShoalError(error) ? error.code : String(error)))
}

test('an answer that was lost is found, and the entry is there once', async () => {
  const it = await world()
  it.faults.push('answer-lost')
  assert.equal(await surely(it), 'appended')
  it.faults.push('answer-lost', 'answer-lost', undefined, 'answer-lost')
  assert.equal(await surely(it, 2), 'appended')
  assert.deepEqual(it.log.bounds, { first: 1, last: 2 })
})

test('a request that was lost is sent again; one that arrives late after all does nothing', async () => {
  const it = await world()
  it.faults.push('request-lost')
  assert.equal(await surely(it), 'appended')
  it.faults.push('request-late', 'request-lost')
  assert.equal(await surely(it, 2), 'appended')
  assert.equal(await surely(it, 3), 'appended')
  it.clock.advance(10_000)
  await turn()
  assert.deepEqual(it.log.bounds, { first: 1, last: 3 })
})

test('after the end of its epoch an append says whether it was made', async () => {
  for (const fault of ['answer-lost', 'request-lost'] as const) {
    const it = await world()
    it.faults.push(fault)
    const outcome = surely(it)
    await turn()
    it.log.release(it.term.epoch)
    const other = it.log.client({ clock: it.clock })
    const { epoch } = await other.lead({ id: 'b', address: 'b' }, never)
    await other.append({ epoch, index: it.log.bounds.last + 1, bytes: Buffer.from('of another') })
    assert.equal(await outcome, fault === 'answer-lost' ? 'appended' : 'deposed')
  }
})

test('what cannot be found out in time, or is given up, is UNAVAILABLE', async () => {
  const it = await world()
  it.client.partition(true)
  const beginMs = it.clock.monotonicMs()
  assert.equal(await surely(it), 'UNAVAILABLE')
  assert.ok(it.clock.monotonicMs() - beginMs >= 1_000)
  assert.equal(await surely(it, 1, AbortSignal.abort()), 'UNAVAILABLE')
  const stop = new AbortController()
  const outcome = surely(it, 1, stop.signal)
  stop.abort()
  assert.equal(await outcome, 'UNAVAILABLE')
})

test('an epoch that is over is told at once', async () => {
  const it = await world()
  await it.term.resign()
  assert.equal(await surely(it), 'deposed')
  assert.deepEqual(it.log.bounds, { first: 1, last: 0 })
})
