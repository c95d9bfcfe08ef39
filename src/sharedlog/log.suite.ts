import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import { ENTRY_BYTES_MAX } from './log.ts'
import type { Leader, Leadership, LogEntry, SharedLog } from './log.ts'

/** A log for one test, empty at first. */
export interface LogFixture {
  /** Another process's way to it. Closing it without resigning is what the end of that process is. */
  readonly connect: () => SharedLog
  readonly leaseMs: number
  readonly dispose: () => Promise<void>
}

type Connect = () => SharedLog

const NEVER = new AbortController().signal
const candidate = (id: string) => ({ id, address: `${id}:7402` })
const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isShoalError(error, code)

/** Holds an adapter to every promise of `SharedLog`. */
export function logSuite(name: string, open: () => Promise<LogFixture>): void {
  describe(`the ${name} log`, () => {
    const endings: (() => Promise<void>)[] = []
    let leaseMs = 0
    const fresh = async (): Promise<Connect> => {
      const fixture = await open()
      leaseMs = fixture.leaseMs
      endings.unshift(fixture.dispose)
      return () => {
        const log = fixture.connect()
        endings.unshift(() => log.close())
        return log
      }
    }
    afterEach(async () => {
      for (const end of endings.splice(0)) await end()
    })
    appendTests(fresh)
    readTests(fresh)
    trimTests(fresh)
    electionTests(fresh, () => leaseMs)
  })
}

async function append(log: SharedLog, { epoch }: Leadership, ...texts: string[]): Promise<void> {
  let { last } = await log.bounds()
  for (const text of texts) {
    last += 1
    assert.equal(await log.append({ epoch, index: last, bytes: Buffer.from(text) }), 'appended')
  }
}

const show = (entries: readonly LogEntry[]): string[] => entries.map(({ index, bytes }) => `${index}=${bytes.toString()}`)

/** The first `count` entries from `from` on. */
async function take(log: SharedLog, from: number, count: number): Promise<LogEntry[]> {
  const enough = new AbortController()
  const entries: LogEntry[] = []
  for await (const some of log.read(from, enough.signal)) {
    entries.push(...some)
    if (entries.length >= count) enough.abort()
  }
  return entries
}

function appendTests(fresh: () => Promise<Connect>): void {
  test('an empty log begins at 1 and ends before it', async () => {
    const log = (await fresh())()
    assert.deepEqual(await log.bounds(), { first: 1, last: 0 })
    assert.equal(await log.entry(1), undefined)
  })

  test('what was appended is there for every client, under its number and epoch, byte for byte', async () => {
    const connect = await fresh()
    const [log, other] = [connect(), connect()]
    const term = await log.lead(candidate('a'), NEVER)
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at))
    assert.equal(await log.append({ epoch: term.epoch, index: 1, bytes }), 'appended')
    assert.equal(await log.append({ epoch: term.epoch, index: 2, bytes: Buffer.alloc(0) }), 'appended')
    assert.deepEqual(await other.bounds(), { first: 1, last: 2 })
    assert.deepEqual(await other.entry(1), { index: 1, epoch: term.epoch, bytes })
    assert.deepEqual(await other.entry(2), { index: 2, epoch: term.epoch, bytes: Buffer.alloc(0) })
  })

  test('an entry is written only behind the last one, and once', async () => {
    const log = (await fresh())()
    const term = await log.lead(candidate('a'), NEVER)
    await append(log, term, 'one', 'two')
    for (const index of [1, 2, 4]) {
      assert.equal(await log.append({ epoch: term.epoch, index, bytes: Buffer.from('other') }), 'taken')
    }
    assert.deepEqual(show(await take(log, 1, 2)), ['1=one', '2=two'])
    assert.deepEqual(await log.bounds(), { first: 1, last: 2 })
  })

  test('of many that append the same index at once one succeeds', async () => {
    const log = (await fresh())()
    const term = await log.lead(candidate('a'), NEVER)
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, at) => log.append({ epoch: term.epoch, index: 1, bytes: Buffer.from(String(at)) })),
    )
    assert.deepEqual(outcomes.toSorted(), ['appended', ...Array.from({ length: 19 }, () => 'taken')])
  })

  test('an entry may have as many bytes as the port says, and no more', async () => {
    const log = (await fresh())()
    const term = await log.lead(candidate('a'), NEVER)
    const bytes = Buffer.alloc(ENTRY_BYTES_MAX, 'x')
    assert.equal(await log.append({ epoch: term.epoch, index: 1, bytes }), 'appended')
    assert.ok((await log.entry(1))?.bytes.equals(bytes))
    const larger = Buffer.alloc(ENTRY_BYTES_MAX + 1)
    await assert.rejects(log.append({ epoch: term.epoch, index: 2, bytes: larger }), hasCode('TOO_LARGE'))
    assert.deepEqual(await log.bounds(), { first: 1, last: 1 })
  })

  test('under an old epoch nothing is written any more, whoever asks, nor under one that never was', async () => {
    const connect = await fresh()
    const [old, log] = [connect(), connect()]
    const before = await old.lead(candidate('old'), NEVER)
    await append(old, before, 'one')
    await before.resign()
    const bytes = Buffer.from('late')
    assert.equal(await old.append({ epoch: before.epoch, index: 2, bytes }), 'deposed', 'nobody leads')
    const term = await log.lead(candidate('new'), NEVER)
    for (const client of [old, log]) {
      assert.equal(await client.append({ epoch: before.epoch, index: 2, bytes }), 'deposed')
      assert.equal(await client.append({ epoch: term.epoch + 1, index: 2, bytes }), 'deposed')
    }
    await append(log, term, 'two')
    assert.deepEqual(show(await take(log, 1, 2)), ['1=one', '2=two'])
  })
}

function readTests(fresh: () => Promise<Connect>): void {
  test('a reader gets every entry once and in order: those that are there, then those to come', async () => {
    const connect = await fresh()
    const log = connect()
    const term = await log.lead(candidate('a'), NEVER)
    const texts = Array.from({ length: 150 }, (_, at) => `entry ${at + 1}`)
    await append(log, term, ...texts.slice(0, 90))
    const reading = [1, 50, 91, 140].map((from) => take(connect(), from, texts.length + 1 - from))
    await delay(20)
    await append(log, term, ...texts.slice(90))
    for (const [at, from] of [1, 50, 91, 140].entries()) {
      assert.deepEqual(
        show(await (reading[at] as Promise<LogEntry[]>)),
        texts.map((text, index) => `${index + 1}=${text}`).slice(from - 1),
      )
    }
  })

  test('a reader that is slow misses nothing', async () => {
    const connect = await fresh()
    const log = connect()
    const term = await log.lead(candidate('a'), NEVER)
    await append(log, term, 'first')
    const enough = new AbortController()
    let next = 1
    const reading = (async () => {
      for await (const some of connect().read(1, enough.signal)) {
        for (const { index } of some) {
          assert.equal(index, next)
          next += 1
        }
        await delay(10)
        if (next > 60) enough.abort()
      }
    })()
    for (let at = 0; at < 60; at += 1) await append(log, term, String(at))
    await reading
    assert.ok(next > 60)
  })

  test('a walk ends when its signal is aborted, also while it waits, and when the log is closed', async () => {
    const connect = await fresh()
    const [log, other] = [connect(), connect()]
    const stop = new AbortController()
    const drain = async (): Promise<void> => {
      for await (const _ of other.read(1, stop.signal)) assert.fail()
    }
    const walks = [take(log, 1, 1), drain()]
    await delay(50)
    stop.abort()
    await walks[1]
    await log.close()
    assert.deepEqual(await walks[0], [])
    for await (const _ of other.read(1, AbortSignal.abort())) assert.fail()
  })
}

function trimTests(fresh: () => Promise<Connect>): void {
  test('trimmed entries are gone, the log says where it begins, and numbers go on', async () => {
    const connect = await fresh()
    const [log, other] = [connect(), connect()]
    const term = await log.lead(candidate('a'), NEVER)
    await append(log, term, 'one', 'two', 'three')
    await log.trim(2)
    assert.deepEqual(await other.bounds(), { first: 3, last: 3 })
    await assert.rejects(take(other, 2, 1), hasCode('CURSOR_TOO_OLD'))
    await assert.rejects(other.entry(2), hasCode('CURSOR_TOO_OLD'))
    assert.deepEqual(show(await take(other, 3, 1)), ['3=three'])
    await Promise.all([log.trim(1), other.trim(2), log.trim(0)])
    assert.deepEqual(await other.bounds(), { first: 3, last: 3 })
    await other.trim(100)
    assert.deepEqual(await log.bounds(), { first: 4, last: 3 })
    const reading = take(other, 4, 1)
    await append(log, term, 'four')
    assert.deepEqual(show(await reading), ['4=four'])
    assert.deepEqual(await log.bounds(), { first: 4, last: 4 })
  })

  test('a reader that was overtaken by the trimming is told', async () => {
    const connect = await fresh()
    const log = connect()
    const term = await log.lead(candidate('a'), NEVER)
    await append(log, term, ...Array.from({ length: 200 }, (_, at) => String(at)))
    const walk = connect().read(1, NEVER)[Symbol.asyncIterator]()
    const first = await walk.next()
    assert.ok(first.done !== true && first.value.length < 200)
    await log.trim(200)
    await assert.rejects(async () => {
      while ((await walk.next()).done !== true);
    }, hasCode('CURSOR_TOO_OLD'))
  })
}

function electionTests(fresh: () => Promise<Connect>, leaseMs: () => number): void {
  test('of many candidates one leads; when it resigns another one does, with a greater epoch', async () => {
    const connect = await fresh()
    let leading = 0
    const epochs: number[] = []
    const campaign = async (id: string): Promise<void> => {
      const log = connect()
      const term = await log.lead(candidate(id), NEVER)
      leading += 1
      assert.equal(leading, 1)
      assert.ok(term.isLeased() && !term.lost.aborted)
      epochs.push(term.epoch)
      await append(log, term, id)
      leading -= 1
      await term.resign()
      await term.resign()
      assert.ok(!term.isLeased() && term.lost.aborted)
    }
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map(campaign))
    assert.deepEqual(
      epochs,
      [...new Set(epochs)].toSorted((a, b) => a - b),
    )
    assert.deepEqual(await connect().bounds(), { first: 1, last: 5 })
  })

  test('a leader keeps its lease for as long as it lives; when it has ended, another one is elected in time', async () => {
    const connect = await fresh()
    const [old, log] = [connect(), connect()]
    const before = await old.lead(candidate('old'), NEVER)
    let isElected = false
    const campaign = log.lead(candidate('new'), NEVER).then((term) => {
      isElected = true
      return term
    })
    for (const endMs = Date.now() + 1.2 * leaseMs(); Date.now() < endMs; await delay(20)) {
      assert.ok(!isElected && !before.lost.aborted)
    }
    await append(old, before, 'still here')
    const endedMs = Date.now()
    await old.close()
    assert.ok(before.lost.aborted && !before.isLeased())
    const term = await campaign
    assert.ok(Date.now() - endedMs <= 2.5 * leaseMs(), `it took ${Date.now() - endedMs} ms`)
    assert.ok(term.epoch > before.epoch)
    await append(log, term, 'after')
    assert.deepEqual(show(await take(log, 1, 2)), ['1=still here', '2=after'])
  })

  test('who leads is told, with its address and epoch, now and when it changes', async () => {
    const connect = await fresh()
    const [log, other] = [connect(), connect()]
    const seen: (Leader | undefined)[] = []
    const stop = new AbortController()
    const watching = (async () => {
      for await (const leader of other.leaders(stop.signal)) seen.push(leader)
    })()
    const until = async (count: number): Promise<void> => {
      while (seen.length < count) await delay(5)
    }
    await until(1)
    const first = await log.lead(candidate('a'), NEVER)
    await until(2)
    await first.resign()
    await until(3)
    const second = await log.lead(candidate('b'), NEVER)
    await until(4)
    stop.abort()
    await watching
    assert.deepEqual(seen, [
      undefined,
      { ...candidate('a'), epoch: first.epoch },
      undefined,
      { ...candidate('b'), epoch: second.epoch },
    ])
  })

  test('a campaign ends with CANCELLED when its signal is aborted or the log is closed, and nobody was elected by it', async () => {
    const connect = await fresh()
    const [log, other, third] = [connect(), connect(), connect()]
    const term = await log.lead(candidate('a'), NEVER)
    const stop = new AbortController()
    const campaigns = [
      assert.rejects(other.lead(candidate('b'), stop.signal), hasCode('CANCELLED')),
      assert.rejects(third.lead(candidate('c'), NEVER), hasCode('CANCELLED')),
    ]
    await delay(50)
    stop.abort()
    await third.close()
    await Promise.all(campaigns)
    await term.resign()
    assert.equal((await log.lead(candidate('a'), NEVER)).epoch > term.epoch, true)
  })
}
