import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { WireReply } from './caller-connection.ts'
import { FIRST_WINDOW_BYTES, HEADER_BYTES_MAX } from './limits.ts'
import type { IncomingCall, WireMethods } from './methods.ts'
import { CALLER_ID, readWhole, simulatePair } from './wire-fixture.suite.ts'

/** Counts up, 1 KiB at a time, until it is told to stop. */
class Tap implements AsyncIterableIterator<Buffer> {
  taken = 0
  isStopped = false

  async next(): Promise<IteratorResult<Buffer>> {
    if (this.isStopped) return { done: true, value: undefined }
    this.taken += 1
    return { done: false, value: Buffer.alloc(1024, this.taken) }
  }

  async return(): Promise<IteratorResult<Buffer>> {
    this.isStopped = true
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** Methods that remember their calls. */
function recording(): { methods: WireMethods; calls: IncomingCall[]; tap: Tap } {
  const calls: IncomingCall[] = []
  const tap = new Tap()
  const never = new Promise<never>(() => {})
  const methods: WireMethods = {
    echo: { handle: async ({ header, body }) => ({ header, body }) },
    swallow: { handle: async ({ body }) => ({ header: (await readWhole(body)).length }) },
    fail: {
      handle: async () => {
        throw new ShoalError('NO_SPACE', 'The disk is full', { details: { freeBytes: 7 } })
      },
    },
    break: {
      handle: async () => {
        throw new TypeError('secret')
      },
    },
    hang: {
      handle: (call) => {
        calls.push(call)
        return never
      },
    },
    tap: {
      handle: async (call) => {
        calls.push(call)
        return { body: tap }
      },
    },
    who: { handle: async ({ peer, deadlineMs }) => ({ header: { ...peer, deadlineMs } }) },
  }
  return { methods, calls, tap }
}

async function outcomeOf(promise: Promise<WireReply>): Promise<string> {
  const reply = await promise.catch((error: ShoalError) => error)
  return isShoalError(reply) ? reply.code : 'done'
}

describe('a call', () => {
  test('brings header and body there and back, whatever they are and however they travel', async () => {
    const body = fc.array(fc.uint8Array({ maxLength: 90_000, size: 'max' }), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), body, fc.nat(), async (value, pieces, seed) => {
        const header = JSON.parse(JSON.stringify(value)) as string
        const { peers, address } = await simulatePair(recording().methods, { seed })
        const reply = await peers.call(address, 'echo', { header, body: pieces })
        assert.deepEqual(reply.header, header)
        assert.ok((await readWhole(reply.body)).equals(Buffer.concat(pieces)))
      }),
      { numRuns: 40 },
    )
  })

  test('says who calls, and how long it waits', async () => {
    const { peers, address } = await simulatePair(recording().methods)
    const { header } = await peers.call(address, 'who', { deadlineMs: 1_234 })
    assert.deepEqual(header, { nodeId: CALLER_ID, protocol: 1, isProven: true, remoteAddress: 'pacific', deadlineMs: 1_234 })
  })

  test("fails with what the handler threw, whole; of what is not Shoal's own nothing is told", async () => {
    const { peers, address } = await simulatePair(recording().methods)
    await assert.rejects(peers.call(address, 'fail'), {
      code: 'NO_SPACE',
      message: 'The disk is full',
      retry: 'after-delay',
      details: { freeBytes: 7 },
    })
    await assert.rejects(peers.call(address, 'break'), (error: ShoalError) => {
      assert.equal(error.code, 'INTERNAL')
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
    await assert.rejects(peers.call(address, 'nothing.here'), { code: 'UNSUPPORTED' })
  })

  test('with a header over the limit fails alone, there and back', async () => {
    const big = { body: { handle: async () => ({ header: Buffer.alloc(HEADER_BYTES_MAX + 1) }) }, ...recording().methods }
    const { peers, address } = await simulatePair(big)
    await assert.rejects(peers.call(address, 'echo', { header: 'x'.repeat(HEADER_BYTES_MAX) }), { code: 'TOO_LARGE' })
    await assert.rejects(peers.call(address, 'body'), { code: 'TOO_LARGE' })
    assert.equal((await peers.call(address, 'echo', { header: 'x' })).header, 'x')
  })

  test('goes on beside others whose bodies nobody reads', async () => {
    const { methods, tap } = recording()
    const { peers, address, settle } = await simulatePair(methods)
    const stuck = await Promise.all(Array.from({ length: 5 }, () => peers.call(address, 'tap')))
    await settle()
    assert.ok(tap.taken * 1024 < 6 * (FIRST_WINDOW_BYTES + 1024), `${tap.taken} pieces were taken from the source`)
    const body = [Buffer.alloc(3_000_000, 'a')]
    assert.equal((await peers.call(address, 'swallow', { body })).header, 3_000_000)
    for (const { body: rest } of stuck) rest.cancel()
  })

  test('whose body fails at its source fails with that error, and the handler is told', async () => {
    const { methods, calls } = recording()
    const { peers, address, settle } = await simulatePair(methods)
    async function* source(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(10)
      await settle()
      throw new ShoalError('CORRUPT', 'The source is damaged')
    }
    await assert.rejects(peers.call(address, 'hang', { body: source() }), { code: 'CORRUPT' })
    await settle()
    assert.equal((calls[0]!.signal.reason as ShoalError).code, 'CANCELLED')
    await assert.rejects(readWhole(calls[0]!.body), { code: 'CANCELLED' })
  })

  test('that is answered before its body was read stops the source', async () => {
    const { methods } = recording()
    const { peers, address, settle } = await simulatePair(methods)
    const endless = new Tap()
    await assert.rejects(peers.call(address, 'fail', { body: endless }), { code: 'NO_SPACE' })
    await settle()
    assert.ok(endless.isStopped)
  })
})

test('a handler that reads on after it has answered is told that the call is over, not that the body is', async () => {
  let readingOn: Promise<Buffer> | undefined
  const methods: WireMethods = {
    hasty: {
      handle: async ({ body }) => {
        readingOn = readWhole(body)
        readingOn.catch(() => undefined)
        return { header: 'answered' }
      },
    },
  }
  const { peers, address } = await simulatePair(methods)
  await peers.call(address, 'hasty', { body: new Tap() })
  await assert.rejects(readingOn!, { code: 'CANCELLED', message: /has been answered/ })
})

describe('cancelling', () => {
  test('tells a source that is waiting for its own next piece at once', async () => {
    const { methods } = recording()
    const { peers, address, settle } = await simulatePair(methods)
    let isTold = false
    const waiting: AsyncIterableIterator<Buffer> = {
      next: () => new Promise(() => {}),
      async return() {
        isTold = true
        return { done: true, value: undefined }
      },
      [Symbol.asyncIterator]: () => waiting,
    }
    const abort = new AbortController()
    const outcome = outcomeOf(peers.call(address, 'swallow', { body: waiting, signal: abort.signal }))
    await settle()
    assert.ok(!isTold)
    abort.abort()
    assert.equal(await outcome, 'CANCELLED')
    assert.ok(isTold)
  })

  test('before the answer aborts the handler', async () => {
    const { methods, calls } = recording()
    const { peers, address, settle } = await simulatePair(methods)
    const abort = new AbortController()
    const outcome = outcomeOf(peers.call(address, 'hang', { signal: abort.signal }))
    await settle()
    const { signal } = calls[0]!
    assert.equal(signal.aborted, false)
    abort.abort()
    assert.equal(await outcome, 'CANCELLED')
    await settle()
    assert.equal((signal.reason as ShoalError).code, 'CANCELLED')
  })

  test('before the call was made, or while the connection is, makes no call', async () => {
    const { methods, calls } = recording()
    const { peers, address, pass } = await simulatePair(methods, { delayMs: [50, 50] })
    const abort = new AbortController()
    const outcome = outcomeOf(peers.call(address, 'hang', { signal: abort.signal }))
    await pass(60)
    abort.abort()
    assert.equal(await outcome, 'CANCELLED')
    assert.equal(await outcomeOf(peers.call(address, 'hang', { signal: abort.signal })), 'CANCELLED')
    await pass(1_000)
    assert.equal(calls.length, 0)
  })

  test("in the middle of the answer's body stops its source", async () => {
    const { methods, tap } = recording()
    const { peers, address, settle } = await simulatePair(methods)
    const { body } = await peers.call(address, 'tap')
    let read = 0
    for await (const piece of body) {
      read += piece.length
      if (read > 200_000) break
    }
    await settle()
    assert.ok(tap.isStopped)
  })

  test("by the signal in the middle of the answer's body fails its reader", async () => {
    const { methods, tap } = recording()
    const { peers, address, settle } = await simulatePair(methods)
    const abort = new AbortController()
    const { body } = await peers.call(address, 'tap', { signal: abort.signal })
    await body.next()
    abort.abort()
    await assert.rejects(readWhole(body), { code: 'CANCELLED' })
    await settle()
    assert.ok(tap.isStopped)
  })
})

describe('the deadline', () => {
  test('ends the call at both ends', async () => {
    const { methods, calls } = recording()
    const { peers, address, pass } = await simulatePair(methods)
    const outcome = outcomeOf(peers.call(address, 'hang', { deadlineMs: 500 }))
    await pass(450)
    assert.equal(calls[0]!.signal.aborted, false)
    await pass(100)
    assert.equal(await outcome, 'TIMEOUT')
    assert.ok(calls[0]!.signal.aborted)
  })

  test('holds for the body of the answer too', async () => {
    const { methods, tap } = recording()
    const { peers, address, pass } = await simulatePair(methods)
    const { body } = await peers.call(address, 'tap', { deadlineMs: 500 })
    await pass(600)
    await assert.rejects(readWhole(body), { code: 'TIMEOUT' })
    assert.ok(tap.isStopped)
  })

  test('of each of many calls is its own', async () => {
    const { methods } = recording()
    const { peers, address, pass } = await simulatePair(methods)
    const done: number[] = []
    for (const deadlineMs of [900, 300, 600])
      void outcomeOf(peers.call(address, 'hang', { deadlineMs })).then(() => done.push(deadlineMs))
    await pass(310)
    assert.deepEqual(done, [300])
    await pass(310)
    assert.deepEqual(done, [300, 600])
    await pass(310)
    assert.deepEqual(done, [300, 600, 900])
  })
})

describe('limits', () => {
  test('calls beyond those that a node takes are answered BUSY, also when the first were cancelled and go on', async () => {
    const { methods, calls } = recording()
    const limits = { callsPerConnection: 4, connectionsPerPeer: 1, callsBeforeAnother: 100 }
    const { peers, address, settle } = await simulatePair(methods, { limits })
    const abort = new AbortController()
    const outcomes = Array.from({ length: 4 }, () => outcomeOf(peers.call(address, 'hang', { signal: abort.signal })))
    await settle()
    assert.equal(await outcomeOf(peers.call(address, 'echo')), 'BUSY')
    abort.abort()
    assert.deepEqual(await Promise.all(outcomes), ['CANCELLED', 'CANCELLED', 'CANCELLED', 'CANCELLED'])
    await settle()
    assert.equal(await outcomeOf(peers.call(address, 'echo')), 'BUSY')
    assert.equal(calls.length, 4)
  })

  test('calls and answers with large headers, more than the connection takes at once, all come through or are BUSY', async () => {
    const { methods } = recording()
    const { peers, address } = await simulatePair(methods, {
      limits: { connectionsPerPeer: 1, waitingBytesMax: 2 * 1024 * 1024 },
    })
    const header = Buffer.alloc(HEADER_BYTES_MAX, 7)
    await peers.call(address, 'echo')
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcomeOf(peers.call(address, 'echo', { header }))))
    assert.deepEqual(new Set(outcomes), new Set(['done', 'BUSY']))
    assert.equal(await outcomeOf(peers.call(address, 'echo', { header })), 'done')
  })

  test('calls that are over make room for others', async () => {
    const { peers, address } = await simulatePair(recording().methods, { limits: { callsPerConnection: 2, callsMax: 2 } })
    for (let at = 0; at < 10; at += 1) {
      assert.equal((await peers.call(address, 'echo', { header: at })).header, at)
      await assert.rejects(peers.call(address, 'fail'), { code: 'NO_SPACE' })
    }
  })

  test('many streams at once share a connection, and all come whole', async () => {
    const { methods } = recording()
    const { peers, address } = await simulatePair(methods, { limits: { connectionsPerPeer: 1 } })
    const sizes = Array.from({ length: 30 }, (_, at) => at * 37_111)
    const streams = sizes.map(async (size, at) => {
      const { body } = await peers.call(address, 'echo', { body: [Buffer.alloc(size, at)] })
      return (await readWhole(body)).equals(Buffer.alloc(size, at))
    })
    assert.ok((await Promise.all(streams)).every(Boolean))
  })
})
