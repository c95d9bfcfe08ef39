import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ShoalError } from '#foundation/errors.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import type { Exchange } from './exchange.ts'
import { ask, startCluster } from './forward-fixture.suite.ts'
import type { ClusterOptions, TestCluster, TestNode } from './forward-fixture.suite.ts'
import { markOf } from './request-mark.ts'

let cluster: TestCluster | undefined

afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]()
  cluster = undefined
})

async function start(options: ClusterOptions = {}): Promise<TestCluster> {
  cluster = await startCluster({ remembers: true, ...options })
  return cluster
}

const CLOSE = 'Host: x\r\nConnection: close\r\n'
const put = (body: string, headers = ''): string =>
  `PUT /a HTTP/1.1\r\n${CLOSE}${headers}Content-Length: ${body.length}\r\n\r\n${body}`
const changesAt = ({ door }: TestNode) => door.seen.map(({ change }) => change)

/** Resolves once `look` is true; fails after 5 s. */
async function soon(what: string, look: () => boolean): Promise<void> {
  for (let tries = 0; !look(); tries += 1) {
    assert.ok(tries < 500, what)
    await delay(10)
  }
}

test('a change whose connection breaks is sent again, as one that may have been done, and its client sees nothing of it', async () => {
  const { atlantic, pacific, network } = await start()
  const marks: unknown[] = []
  atlantic.door.handler = async (exchange) => {
    const body = await exchange.body().collect()
    marks.push(markOf(exchange, 'somebody'))
    if (atlantic.door.seen.length < 3) network.reset('atlantic')
    else exchange.send(201, [], body)
  }
  assert.match(await ask(pacific.port, put('hello')), /^HTTP\/1\.1 201 .*\r\n\r\nhello$/s)
  const [first, ...further] = marks
  assert.deepEqual(first, { ...(further[0] as object), isRepeat: false })
  assert.deepEqual(further, [further[0], further[0]])
  assert.deepEqual(changesAt(atlantic), [
    { isRepeat: false, isQuestion: false },
    { isRepeat: true, isQuestion: false },
    { isRepeat: true, isQuestion: false },
  ])
})

test('of a body that can not be sent again it is asked what became of it, and the answer is the one to the client', async () => {
  const { atlantic, pacific, network } = await start()
  atlantic.door.handler = async (exchange) => {
    if (exchange.change?.isQuestion === true) return exchange.send(200, [], 'it was done')
    for await (const _ of exchange.body()) continue
    network.reset('atlantic')
  }
  assert.match(await ask(pacific.port, put('x'.repeat(100_000))), /^HTTP\/1\.1 200 .*it was done$/s)
  assert.deepEqual(changesAt(atlantic), [
    { isRepeat: false, isQuestion: false },
    { isRepeat: true, isQuestion: true },
  ])
})

test('a question that needs its body is answered by nobody knows', async () => {
  const { atlantic, pacific, network } = await start()
  atlantic.door.handler = async (exchange) => {
    for await (const _ of exchange.body()) continue
    network.reset('atlantic')
  }
  assert.match(await ask(pacific.port, put('x'.repeat(100_000))), /^HTTP\/1\.1 503 .*X-Ambiguous: true/s)
  assert.equal(atlantic.door.seen.length, 2)
})

for (const [what, body, isQuestion] of [
  ['a change', 'hello', false],
  ['a change with a long body', 'x'.repeat(100_000), true],
] as const) {
  test(`${what} that was sent in vain to the leader before is served by this one as what may have been done`, async () => {
    const { atlantic, pacific, network } = await start()
    atlantic.door.handler = async (exchange) => {
      for await (const _ of exchange.body()) continue
      pacific.leader = 'pacific'
      network.reset('atlantic')
      pacific.changed()
    }
    pacific.door.handler = async (exchange) =>
      exchange.send(200, [], exchange.change?.isQuestion === true ? 'asked' : await exchange.body().collect())
    assert.ok((await ask(pacific.port, put(body))).endsWith(isQuestion ? '\r\n\r\nasked' : `\r\n\r\n${body}`))
    assert.deepEqual(changesAt(pacific), [{ isRepeat: true, isQuestion }])
  })
}

test('a change that the leader fails because it is none any more is sent to the next one', async () => {
  const { atlantic, pacific } = await start()
  atlantic.door.handler = async (exchange) => {
    await exchange.body().collect()
    atlantic.leader = undefined
    atlantic.changed()
    pacific.leader = 'pacific'
    pacific.changed()
    throw new ShoalError('UNAVAILABLE', 'The term is over', { details: { began: false } })
  }
  pacific.door.handler = async (exchange) => exchange.send(200, [], await exchange.body().collect())
  assert.match(await ask(pacific.port, put('hello')), /^HTTP\/1\.1 200 .*hello$/s)
  assert.deepEqual(changesAt(pacific), [{ isRepeat: true, isQuestion: false }])
})

test('what a leader that goes on leading can not do is its answer', async () => {
  const { atlantic, pacific } = await start()
  atlantic.door.handler = () => {
    throw new ShoalError('UNAVAILABLE', 'Too few copies')
  }
  assert.match(await ask(pacific.port, put('hello')), /^HTTP\/1\.1 503 .*Too few copies$/s)
  assert.equal(atlantic.door.seen.length, 1)
})

test('a leader that does not answer is given up for the next one', async () => {
  const clock = new ManualClock()
  const { atlantic, pacific } = await start({ clock })
  const never = Promise.withResolvers<void>()
  atlantic.door.handler = () => never.promise
  const asking = ask(pacific.port, put('hello'))
  await soon('it is under way', () => atlantic.door.seen.length === 1)
  pacific.leader = 'pacific'
  pacific.changed()
  const moving = setInterval(() => clock.advance(100), 5)
  assert.match(await asking, /^HTTP\/1\.1 200 /)
  clearInterval(moving)
  never.resolve()
})

test('the client is told that nobody knows when nobody has said so for 5 s after the connection broke', async () => {
  const clock = new ManualClock()
  const { atlantic, pacific, network } = await start({ clock })
  const turn = Promise.withResolvers<void>()
  atlantic.door.handler = async () => {
    await turn.promise
    pacific.leader = undefined
    network.reset('atlantic')
  }
  const asking = ask(pacific.port, put('hello'))
  await soon('it is under way', () => atlantic.door.seen.length === 1)
  clock.advance(60_000)
  turn.resolve()
  await soon('it has nowhere to go', () => pacific.leader === undefined)
  await delay(50)
  clock.advance(4_000)
  await delay(50)
  assert.equal(pacific.finished.length, 0)
  const moving = setInterval(() => clock.advance(100), 5)
  assert.match(await asking, /^HTTP\/1\.1 503 .*X-Ambiguous: true/s)
  clearInterval(moving)
})

test('what this release does not remember is sent once', async () => {
  const { atlantic, pacific, network } = await start()
  pacific.door.isRemembered = false
  atlantic.door.handler = () => network.reset('atlantic')
  assert.match(await ask(pacific.port, put('hello')), /^HTTP\/1\.1 503 .*X-Ambiguous: true/s)
  assert.deepEqual(changesAt(atlantic), [undefined])
})

test('a leader whose release does not remember it refuses to do it again', async () => {
  const { atlantic, pacific, network } = await start()
  atlantic.door.isRemembered = false
  atlantic.door.handler = () => network.reset('atlantic')
  assert.match(await ask(pacific.port, put('hello')), /^HTTP\/1\.1 503 .*X-Ambiguous: true/s)
  assert.deepEqual([atlantic.door.seen.length, atlantic.finished.length], [1, 2], 'it is asked for once, and once more')
})

test('a leader of a release that remembers nothing is sent it as before, once', async () => {
  const { atlantic, pacific, network } = await start({ isOld: true })
  assert.match(await ask(pacific.port, put('hello')), /^HTTP\/1\.1 200 /)
  atlantic.door.handler = () => network.reset('atlantic')
  assert.match(await ask(pacific.port, put('hello')), /^HTTP\/1\.1 503 .*X-Ambiguous: true/s)
  assert.deepEqual(changesAt(atlantic), [undefined, undefined])
})

test('a client names its request by a key, which is its own: the request is the same wherever it comes, and another one is not', async () => {
  const { atlantic, pacific } = await start()
  const marks: (ReturnType<typeof markOf> | undefined)[] = []
  let principal = 'one'
  const handler = (exchange: Exchange): void => {
    marks.push(markOf(exchange, principal))
    exchange.send(200, [])
  }
  atlantic.door.handler = handler
  const key = 'Idempotency-Key: "k1"\r\n'
  await ask(pacific.port, put('hello', key))
  await ask(atlantic.port, put('hello', key))
  const [there, here] = marks
  assert.deepEqual({ ...there, arrival: '' }, { ...here, arrival: '' })
  assert.deepEqual([there?.origin, there?.isRepeat, there?.arrival === here?.arrival], ['client', true, false])
  await ask(atlantic.port, put('other length', key))
  assert.deepEqual([marks[2]?.id, marks[2]?.fingerprint.equals(here?.fingerprint as Buffer)], [here?.id, false])
  principal = 'two'
  await ask(atlantic.port, put('hello', key))
  assert.notDeepEqual(marks[3]?.id, here?.id)
  await ask(atlantic.port, put('hello'))
  assert.equal(marks[4], undefined, 'what nobody names comes once')
  assert.match(await ask(atlantic.port, put('hello', `Idempotency-Key: ${'k'.repeat(256)}\r\n`)), /X-Code: INVALID_ARGUMENT/)
})
