import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ManualClock } from '#platform/manual-clock.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { ask, dial, startCluster } from './forward-fixture.suite.ts'
import type { ClusterOptions, TestCluster } from './forward-fixture.suite.ts'
import { UnderWay } from './under-way.ts'

let cluster: TestCluster | undefined

afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]()
  cluster = undefined
})

async function start(options: ClusterOptions = {}): Promise<TestCluster> {
  cluster = await startCluster(options)
  return cluster
}

const CLOSE = 'Host: x\r\nConnection: close\r\n'
const MIB = 1024 * 1024

/** Resolves once `look` is true; fails after 5 s. */
async function soon(what: string, look: () => boolean): Promise<void> {
  for (let tries = 0; !look(); tries += 1) {
    assert.ok(tries < 500, what)
    await delay(10)
  }
}

describe('a client that goes away', () => {
  test('in the middle of its upload is gone at the leader too', async () => {
    const { atlantic, pacific } = await start()
    const outcome = Promise.withResolvers<unknown>()
    atlantic.door.handler = (exchange) => Array.fromAsync(exchange.body()).then(outcome.resolve, outcome.resolve) as Promise<void>
    const client = await dial(pacific.port)
    client.socket.write(`PUT /a HTTP/1.1\r\n${CLOSE}Content-Length: 100000\r\n\r\nbegun`)
    await soon('the request reaches the leader', () => atlantic.door.seen.length === 1)
    client.socket.destroy()
    assert.equal(((await outcome.promise) as { code: string }).code, 'INCOMPLETE_BODY')
    assert.equal(atlantic.door.seen[0]?.aborted, true)
    await soon('both have ended it', () => atlantic.finished.length === 1 && pacific.finished.length === 1)
  })

  test('while it waits for the answer aborts the work on it', async () => {
    const { atlantic, pacific } = await start()
    const aborted = Promise.withResolvers<void>()
    atlantic.door.handler = (exchange) => exchange.signal.addEventListener('abort', () => aborted.resolve())
    const client = await dial(pacific.port)
    client.socket.write(`GET /a HTTP/1.1\r\nHost: x\r\n\r\n`)
    await soon('the request reaches the leader', () => atlantic.door.seen.length === 1)
    client.socket.destroy()
    await aborted.promise
  })

  test('in the middle of a download stops its source', async () => {
    const { atlantic, pacific } = await start()
    const returned = Promise.withResolvers<void>()
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) yield Buffer.alloc(65_536)
      } finally {
        returned.resolve()
      }
    }
    atlantic.door.handler = (exchange) => exchange.sendStream(200, [], { bytes: endless(), lengthBytes: 2 ** 40 })
    const client = await dial(pacific.port)
    client.socket.write(`GET /a HTTP/1.1\r\nHost: x\r\n\r\n`)
    await client.until(/Content-Length: 1099511627776\r\n/)
    client.socket.destroy()
    await returned.promise
  })
})

describe('what is longer than memory', () => {
  test('is taken from its source no faster than the client reads', async () => {
    const { atlantic, pacific } = await start()
    let takenBytes = 0
    async function* endless(): AsyncGenerator<Buffer> {
      for (; ; takenBytes += MIB) yield Buffer.alloc(MIB)
    }
    atlantic.door.handler = (exchange) => exchange.sendStream(200, [], { bytes: endless(), lengthBytes: 2 ** 40 })
    const client = await dial(pacific.port)
    client.socket.pause()
    client.socket.write(`GET /a HTTP/1.1\r\nHost: x\r\n\r\n`)
    let before = -1
    while (takenBytes !== before || takenBytes === 0) {
      before = takenBytes
      await delay(200)
    }
    // The window of the wire has 4 MiB at most, the system's buffers of the client's connection a few more.
    assert.ok(takenBytes < 24 * MIB, `${takenBytes} bytes were taken`)
    client.socket.destroy()
  })

  test('is taken from the client no faster than the leader reads it, and arrives whole', async () => {
    const { atlantic, pacific } = await start()
    const go = Promise.withResolvers<void>()
    let sum = 0
    atlantic.door.handler = async (exchange) => {
      const body = exchange.body()
      await body.next()
      await go.promise
      for await (const piece of body) sum += piece.length
      exchange.send(200, [], 'done')
    }
    const client = await dial(pacific.port)
    const sizeBytes = 64 * MIB
    client.socket.write(`PUT /a HTTP/1.1\r\n${CLOSE}Content-Length: ${sizeBytes}\r\n\r\n`)
    for (let at = 0; at < sizeBytes; at += MIB) client.socket.write(Buffer.alloc(MIB, 1))
    let waiting = 0
    while (waiting !== client.socket.writableLength) {
      waiting = client.socket.writableLength
      await delay(200)
    }
    assert.ok(waiting > 40 * MIB, `only ${waiting} bytes still wait at the client`)
    go.resolve()
    assert.match(await client.closed(), /^HTTP\/1\.1 200 .*done$/s)
    assert.ok(sum > sizeBytes - MIB)
  })
})

describe('when the connection to the leader breaks', () => {
  test('in the middle of an answer: the client does not take what it has for complete', async () => {
    const { atlantic, pacific, network } = await start()
    const piece = Buffer.alloc(100_000)
    async function* half(): AsyncGenerator<Buffer> {
      yield piece
      await delay(50)
      network.reset('atlantic')
      await delay(1_000_000, undefined, { ref: false })
    }
    atlantic.door.handler = (exchange) => exchange.sendStream(200, [], { bytes: half(), lengthBytes: 200_000 })
    const answer = await ask(pacific.port, `GET /a HTTP/1.1\r\n${CLOSE}\r\n`)
    assert.match(answer, /Content-Length: 200000\r\n/)
    assert.ok(answer.length < 200_000)
    assert.equal(atlantic.door.seen[0]?.aborted, true)
  })

  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PROPFIND']) {
    test(`before the answer: ${method} is done again`, async () => {
      const { atlantic, pacific, network } = await start()
      atlantic.door.handler = async (exchange) => {
        if (atlantic.door.seen.length === 1) network.reset('atlantic')
        else exchange.send(200, ['X-Seen', String(exchange.lengthBytes)], await exchange.body().collect())
      }
      const body = method === 'PROPFIND' ? 'all of it' : ''
      const answer = await ask(pacific.port, `${method} /a HTTP/1.1\r\n${CLOSE}Content-Length: ${body.length}\r\n\r\n${body}`)
      assert.match(answer, new RegExp(`^HTTP/1\\.1 200 .*X-Seen: ${body.length}\r\n.*\r\n\r\n${body}$`, 's'))
      assert.equal(atlantic.door.seen.length, 2)
    })
  }

  test('a change is done once, and its client is told that nobody knows', async () => {
    const { atlantic, pacific, network } = await start()
    atlantic.door.handler = () => network.reset('atlantic')
    for (const method of ['PUT', 'DELETE', 'POST', 'LOCK', 'MOVE']) {
      const answer = await ask(pacific.port, `${method} /a HTTP/1.1\r\n${CLOSE}Content-Length: 0\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 503 .*X-Code: UNAVAILABLE\r\nX-Ambiguous: true\r\n.*may have been carried out, or not/s)
      await delay(100)
    }
    assert.deepEqual(
      atlantic.door.seen.map(({ method }) => method),
      ['PUT', 'DELETE', 'POST', 'LOCK', 'MOVE'],
    )
  })

  test('before the answer to a client that waited for a 100: it sent its body once, and that is used again', async () => {
    const { atlantic, pacific, network } = await start()
    atlantic.door.handler = async (exchange) => {
      const body = await exchange.body().collect()
      if (atlantic.door.seen.length === 1) network.reset('atlantic')
      else exchange.send(207, [], body)
    }
    const client = await dial(pacific.port)
    client.socket.write(`PROPFIND /a HTTP/1.1\r\n${CLOSE}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`)
    await client.until(/^HTTP\/1\.1 100 /)
    client.socket.write('hello')
    assert.match(await client.closed(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 207 .*\r\n\r\nhello$/s)
    assert.equal(atlantic.door.seen.length, 2)
  })
})

describe('a leader that is none any more', () => {
  test('refuses, and the request goes to the new one, with its body', async () => {
    const { atlantic, pacific } = await start()
    atlantic.leader = 'pacific'
    pacific.door.handler = async (exchange) => exchange.send(200, [], await exchange.body().collect())
    const asking = ask(
      pacific.port,
      `PUT /a HTTP/1.1\r\n${CLOSE}If-Match: "x"\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
    )
    await soon('it was refused', () => atlantic.finished.length > 0)
    assert.equal(atlantic.finished[0]?.response.statusCode, 421)
    pacific.leader = 'pacific'
    pacific.changed()
    assert.match(await asking, /HTTP\/1\.1 200 .*\r\n\r\nhello$/s)
    assert.equal(atlantic.door.seen.length, 0)
  })

  test('and knows no other: the request goes round no circle, and ends after the time there is', async () => {
    const clock = new ManualClock()
    const { atlantic, pacific } = await start({ clock })
    atlantic.leader = 'pacific'
    const asking = ask(pacific.port, `PUT /a HTTP/1.1\r\n${CLOSE}Content-Length: 5\r\n\r\nhello`)
    const moving = setInterval(() => clock.advance(250), 5)
    assert.match(await asking, /^HTTP\/1\.1 503 .*nothing was done: .* to another node/s)
    clearInterval(moving)
    assert.ok(atlantic.finished.length > 5 && atlantic.finished.every(({ response }) => response.statusCode === 421))
    assert.equal(pacific.finished.length, 1)
    assert.equal(atlantic.door.seen.length + pacific.door.seen.length, 0)
  })

  test('that leaves while a body longer than 64 KiB is on its way: nothing is done, and the client is told so', async () => {
    const { atlantic, pacific } = await start()
    const body = Buffer.alloc(10 * MIB)
    atlantic.leader = 'pacific'
    const answer = await ask(
      pacific.port,
      Buffer.concat([Buffer.from(`PUT /a HTTP/1.1\r\n${CLOSE}Content-Length: ${body.length}\r\n\r\n`), body]),
    )
    assert.match(answer, /^HTTP\/1\.1 503 .*nothing was done/s)
  })

  for (const [what, head, sent] of [
    ['a short body', 'Content-Length: 5', 'hello'],
    ['a body of unknown length', 'Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'],
    ['a body of several pieces', 'Content-Length: 40000', 'x'.repeat(40_000)],
  ] as const) {
    test(`and this node is the next one: ${what} that was sent to it in vain is read here`, async () => {
      const { atlantic, pacific } = await start()
      atlantic.leader = 'pacific'
      pacific.door.handler = async (exchange) => exchange.send(200, [], await exchange.body(100_000).collect())
      const asking = ask(pacific.port, `PUT /a HTTP/1.1\r\n${CLOSE}${head}\r\n\r\n${sent}`)
      await soon('it was refused', () => atlantic.finished.length > 0)
      pacific.leader = 'pacific'
      pacific.changed()
      const answer = await asking
      assert.match(answer, /^HTTP\/1\.1 200 /)
      assert.ok(answer.endsWith(sent.startsWith('5') ? '\r\n\r\nhello' : `\r\n\r\n${sent}`))
    })
  }

  test('and this node is the next one: what is too long for it is refused as ever', async () => {
    const { atlantic, pacific } = await start()
    atlantic.leader = 'pacific'
    pacific.door.handler = async (exchange) => exchange.send(200, [], await exchange.body(4).collect())
    const asking = ask(pacific.port, `PUT /a HTTP/1.1\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`)
    await soon('it was refused', () => atlantic.finished.length > 0)
    pacific.leader = 'pacific'
    pacific.changed()
    assert.match(await asking, /X-Code: TOO_LARGE/)
  })

  for (const [method, status] of [
    ['GET', 200],
    ['PUT', 503],
  ] as const) {
    test(`and does not answer, as when it is cut off: a ${method} does not wait for its silence to be noticed`, async () => {
      const clock = new ManualClock()
      const { atlantic, pacific } = await start({ clock })
      const never = Promise.withResolvers<void>()
      atlantic.door.handler = () => never.promise
      const asking = ask(pacific.port, `${method} /a HTTP/1.1\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`)
      await soon('it is under way', () => atlantic.door.seen.length === 1)
      pacific.leader = undefined
      pacific.changed()
      pacific.leader = 'pacific'
      pacific.changed()
      const moving = setInterval(() => clock.advance(100), 5)
      assert.match(await asking, new RegExp(`^HTTP/1\\.1 ${status} `))
      clearInterval(moving)
      assert.equal(pacific.door.seen.length, method === 'GET' ? 1 : 0)
      never.resolve()
    })
  }

  test('that has answered in part goes on to the end', async () => {
    const clock = new ManualClock()
    const { atlantic, pacific } = await start({ clock })
    const turn = Promise.withResolvers<void>()
    atlantic.door.handler = async (exchange) => {
      exchange.startStream(200, [])
      exchange.write('first, ')
      await turn.promise
      exchange.end('second')
    }
    const client = await dial(pacific.port)
    client.socket.write(`GET /a HTTP/1.1\r\n${CLOSE}\r\n`)
    await client.until(/first, /)
    pacific.leader = 'pacific'
    pacific.changed()
    clock.advance(60_000)
    await delay(20)
    turn.resolve()
    assert.match(await client.closed(), /first, .*second/s)
  })

  test('because it stops ends what it was sent before', async () => {
    const underWay = new UnderWay()
    const { atlantic, pacific } = await start({ underWay })
    const turn = Promise.withResolvers<void>()
    atlantic.door.handler = async (exchange) => {
      await turn.promise
      exchange.send(200, [], 'done')
    }
    const asking = ask(pacific.port, `PUT /a HTTP/1.1\r\n${CLOSE}Content-Length: 5\r\n\r\nhello`)
    await soon('it is under way', () => underWay.size === 1)
    const stopping = atlantic.http.stop(5_000)
    const ended = underWay.ended({ clock: nodeClock, withinMs: 5_000 })
    turn.resolve()
    assert.deepEqual([await ended, underWay.size], [true, 0])
    assert.match(await asking, /^HTTP\/1\.1 200 .*done$/s)
    await stopping
  })

  test('because it stops cuts off what takes too long, and its client is told', async () => {
    const underWay = new UnderWay()
    const { atlantic, pacific } = await start({ underWay })
    const aborted = Promise.withResolvers<void>()
    atlantic.door.handler = (exchange) => exchange.signal.addEventListener('abort', () => aborted.resolve())
    const asking = ask(pacific.port, `PUT /a HTTP/1.1\r\n${CLOSE}Content-Length: 5\r\n\r\nhello`)
    await soon('it is under way', () => underWay.size === 1)
    underWay.cut()
    await aborted.promise
    assert.match(await asking, /^HTTP\/1\.1 503 .*may have been carried out/s)
    assert.deepEqual([underWay.size, atlantic.finished.length], [0, 1])
  })

  test('because it stops is not asked to begin anything', async () => {
    const { atlantic, pacific } = await start()
    const stopping = atlantic.http.stop(5_000)
    const asking = ask(pacific.port, `DELETE /a HTTP/1.1\r\n${CLOSE}\r\n`)
    await delay(100)
    pacific.leader = 'pacific'
    pacific.changed()
    assert.match(await asking, /^HTTP\/1\.1 200 /)
    assert.deepEqual([atlantic.door.seen.length, pacific.door.seen.length], [0, 1])
    await stopping
  })
})

describe('while nobody leads', () => {
  test('requests wait, and are served when somebody does', async () => {
    const { atlantic, pacific } = await start()
    pacific.leader = undefined
    const asking = Array.from({ length: 20 }, () => ask(pacific.port, `DELETE /a HTTP/1.1\r\n${CLOSE}\r\n`))
    await soon('they wait', () => pacific.asked === 40)
    assert.equal(pacific.finished.length, 0)
    pacific.leader = 'atlantic'
    pacific.changed()
    for (const answer of await Promise.all(asking)) assert.match(answer, /^HTTP\/1\.1 200 /)
    assert.equal(atlantic.door.seen.length, 20)
  })

  test('they wait for 5 s and no longer', async () => {
    const clock = new ManualClock()
    const { pacific } = await start({ clock })
    pacific.leader = undefined
    const asking = ask(pacific.port, `GET /a HTTP/1.1\r\n${CLOSE}\r\n`)
    // Asked once by the request, and once before it waits.
    await soon('it waits', () => pacific.asked === 2)
    clock.advance(4_999)
    await delay(20)
    assert.equal(pacific.finished.length, 0)
    clock.advance(1)
    assert.match(await asking, /^HTTP\/1\.1 503 .*X-Code: UNAVAILABLE.*X-Leaderless: true.*No node leads the metadata/s)
  })

  test('no more than 1,000 wait', async () => {
    const { pacific } = await start()
    pacific.leader = undefined
    const clients = await Promise.all(Array.from({ length: 20 }, () => dial(pacific.port)))
    for (const client of clients) client.socket.write(`GET /a HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(50))
    await soon('they wait', () => pacific.asked === 2_000)
    assert.match(await ask(pacific.port, `GET /a HTTP/1.1\r\n${CLOSE}\r\n`), /^HTTP\/1\.1 503 /)
    pacific.leader = 'pacific'
    pacific.changed()
    const served = (text: string): number => text.split('HTTP/1.1 200 ').length - 1
    await soon('all were served', () => clients.every(({ received }) => served(received) === 50))
    for (const client of clients) client.socket.destroy()
  })
})
