import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import fc from 'fast-check'
import { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from './exchange.ts'
import { ask, dial, startCluster } from './forward-fixture.suite.ts'
import type { ClusterOptions, Handler, TestCluster } from './forward-fixture.suite.ts'

// Pacific's clients are served by Atlantic, as if they were connected to it.

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

async function* cut(bytes: Buffer, pieceBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

/** What must be the same wherever it was answered: not the order of the fields, nor the id and the time. */
function comparable(answer: string): { head: string[]; content: string } {
  const end = answer.indexOf('\r\n\r\n')
  const [line = '', ...fields] = answer.slice(0, end).split('\r\n')
  const kept = fields.filter((field) => !/^(Date|X-Request-Id):/.test(field))
  return { head: [line, ...kept.toSorted()], content: answer.slice(end + 4) }
}

describe('a request arrives', () => {
  test('with target, headers and version as they were sent, byte for byte', async () => {
    const { atlantic, pacific } = await start()
    const name = fc.stringMatching(/^X-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/)
    const value = fc.stringMatching(/^[!-~\x80-\xff]([ -~\x80-\xff\t]{0,20}[!-~\x80-\xff])?$/)
    const segment = fc.constantFrom('a', '%2F', '%2f', '', '%FF', '..', '%2e', '+', "'", '~', '=', '%C3%A4', ':')
    const target = fc
      .tuple(fc.array(segment, { maxLength: 6 }), fc.option(fc.constantFrom('', 'a=b&a=c', 'x=%20+%2B', '?', 'versionId=&&')))
      .map(([path, query]) => `/${path.join('/')}${query === null ? '' : `?${query}`}`)
    const repeated = fc.constantFrom('Cookie: a=1', 'COOKIE: b=2', 'Set-Cookie: c', 'set-cookie: d', 'X-Twice: 1', 'x-twice: 2')
    const fields = fc.array(
      fc.oneof(
        fc.tuple(name, value).map(([left, right]) => `${left}: ${right}`),
        repeated,
      ),
      { maxLength: 12 },
    )
    await fc.assert(
      fc.asyncProperty(target, fields, fc.constantFrom('1.1', '1.0'), async (path, lines, version) => {
        const bytes = Buffer.from(
          `GET ${path} HTTP/${version}\r\nhOsT: x.example:1\r\n${lines.map((line) => `${line}\r\n`).join('')}Connection: close\r\n\r\n`,
          'latin1',
        )
        const [own, forwarded] = [await seenAt(atlantic.port), await seenAt(pacific.port)]
        async function seenAt(port: number): Promise<unknown> {
          atlantic.door.seen.length = 0
          assert.match(await ask(port, bytes), /^HTTP\/1\.1 200 /)
          const { request, method, path: cutPath, query, headers, lengthBytes } = atlantic.door.seen[0] as Exchange
          const { rawHeaders, httpVersion, url } = request
          return { rawHeaders, httpVersion, url, method, cutPath, query, headers: { ...headers }, lengthBytes }
        }
        assert.deepEqual(forwarded, own)
        assert.equal((forwarded as { url: string }).url, path)
      }),
      { numRuns: 60 },
    )
  })

  test('with its body, however it is cut and coded', async () => {
    const { atlantic, pacific } = await start()
    atlantic.door.handler = async (exchange) => {
      const pieces = await Array.fromAsync(exchange.body())
      exchange.send(200, ['X-Length', String(exchange.lengthBytes)], Buffer.concat(pieces))
    }
    const body = 'x'.repeat(70_000)
    const plain = await ask(pacific.port, `PUT /a HTTP/1.1\r\n${CLOSE}Content-Length: 70000\r\n\r\n${body}`)
    assert.match(plain, /X-Length: 70000\r\n/)
    assert.ok(plain.endsWith(`\r\n\r\n${body}`))
    const chunked = await ask(
      pacific.port,
      `PUT /a HTTP/1.1\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n3\r\nped\r\n0\r\n\r\n`,
    )
    assert.match(chunked, /X-Length: undefined\r\n/)
    assert.ok(chunked.endsWith('\r\n\r\nwikiped'))
  })

  test('with the address of its client and the id that the client is told, and counts at both nodes', async () => {
    const { atlantic, pacific } = await start()
    const answer = await ask(pacific.port, `GET /a HTTP/1.1\r\n${CLOSE}\r\n`)
    const [exchange] = atlantic.door.seen as [Exchange]
    assert.equal(exchange.remoteAddress, '127.0.0.1')
    assert.deepEqual([exchange.connection.isForwarded, exchange.connection.isSecure], [true, false])
    assert.equal(/X-Request-Id: (\S+)/.exec(answer)?.[1], exchange.id)
    assert.equal(answer.match(/X-Request-Id/g)?.length, 1)
    assert.deepEqual(
      [atlantic.finished, pacific.finished].map((list) => list.map(({ id }) => id)),
      [[exchange.id], [exchange.id]],
    )
    assert.equal(pacific.door.seen.length, 0)
  })

  test('whole when its head is longer than a header of the wire', async () => {
    const { atlantic, pacific } = await start({ limits: { maxHeaderBytes: 256 * 1024 } })
    const long = 'v'.repeat(100_000)
    atlantic.door.handler = async (exchange) => {
      const body = await exchange.body().collect()
      exchange.send(200, ['X-Echo', String(exchange.headers['x-long'])], body)
    }
    const answer = await ask(pacific.port, `PUT /a HTTP/1.1\r\n${CLOSE}X-Long: ${long}\r\nContent-Length: 4\r\n\r\nbody`)
    assert.ok(answer.includes(`X-Echo: ${long}\r\n`))
    assert.ok(answer.endsWith('\r\n\r\nbody'))
  })
})

describe('an answer', () => {
  const big = Buffer.alloc(3_000_000, 'shoal ')
  const answers: Readonly<Record<string, Handler>> = {
    'without content': (exchange) => exchange.send(200, ['ETag', '"x"']),
    'of text': (exchange) => exchange.send(200, ['Content-Type', 'text/plain'], 'grün'),
    'of bytes that are no text': (exchange) => exchange.send(200, [], Buffer.from([0, 255, 254, 10, 13])),
    'of 16 KiB': (exchange) => exchange.send(200, [], Buffer.alloc(16_384, 7)),
    'of 16 KiB and one byte': (exchange) => exchange.send(200, [], Buffer.alloc(16_385, 7)),
    'with fields twice and odd bytes': (exchange) => exchange.send(200, ['X-A', '1', 'x-a', 'caf\xe9\t!'], 'x'),
    'with status 204': (exchange) => exchange.send(204, ['ETag', '"x"']),
    'with status 304': (exchange) => exchange.send(304, ['ETag', '"x"']),
    'of a part': (exchange) =>
      exchange.sendStream(206, ['Content-Range', 'bytes 0-9/99'], { bytes: cut(big.subarray(0, 10), 3), lengthBytes: 10 }),
    'of a large file': (exchange) => exchange.sendStream(200, [], { bytes: cut(big, 300_000), lengthBytes: big.length }),
    'of a length that nobody knew': (exchange) => {
      exchange.startStream(207, ['Content-Type', 'application/xml'])
      exchange.write('<a>')
      exchange.write(Buffer.from('</a>'))
      exchange.end('\n')
    },
    'that is an error': () => {
      throw new ShoalError('NOT_FOUND', 'There is no such thing')
    },
    'that is an unexpected error': () => {
      throw new TypeError('secret')
    },
  }
  for (const [what, handler] of Object.entries(answers)) {
    for (const method of ['GET', 'HEAD', 'PUT']) {
      test(`${what}, to ${method}, is what a client of the leader gets`, async () => {
        const { atlantic, pacific } = await start()
        atlantic.door.handler = handler
        const request = `${method} /a HTTP/1.1\r\n${CLOSE}\r\n`
        const own = comparable(await ask(atlantic.port, request))
        assert.deepEqual(comparable(await ask(pacific.port, request)), own)
        assert.match(own.head[0] as string, /^HTTP\/1\.1 [234]/)
      })
    }
  }

  test('leaves the connection of the client open for more', async () => {
    const { atlantic, pacific } = await start()
    atlantic.door.handler = async (exchange) => exchange.send(200, [], await exchange.body().collect())
    const client = await dial(pacific.port)
    for (const text of ['one', 'two', 'three']) {
      client.socket.write(`PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
      await client.until(new RegExp(`Keep-Alive: .*Connection: keep-alive\r\n\r\n${text}$`, 's'))
    }
    client.socket.destroy()
  })

  test('may come before the body was read, and is not lost for it', async () => {
    const { atlantic, pacific } = await start()
    atlantic.door.handler = (exchange) => exchange.send(403, [], 'no')
    const client = await dial(pacific.port)
    client.socket.write(`PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n`)
    for (let at = 0; at < 40; at += 1) client.socket.write(Buffer.alloc(65_536))
    await client.until(/^HTTP\/1\.1 403 .*Connection: close\r\n.*\r\n\r\nno$/s)
    client.socket.end()
    await client.closed()
  })

  test('whose end comes after all its bytes counts as answered at the leader', async () => {
    const { atlantic, pacific } = await start()
    atlantic.door.handler = async ({ response }) => {
      response.writeHead(200, ['Content-Length', '20000'])
      response.write(Buffer.alloc(20_000))
      await new Promise((resolve) => setTimeout(resolve, 20))
      response.end()
    }
    const client = await dial(pacific.port)
    for (let at = 0; at < 20; at += 1) client.socket.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\n')
    while (atlantic.finished.length < 20) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.ok(atlantic.finished.every(({ aborted }) => !aborted))
    client.socket.destroy()
  })

  test('whose buffers are used again while it is sent is what it was when they were written', async () => {
    const { atlantic, pacific } = await start()
    const buffer = Buffer.alloc(1024 * 1024)
    async function* reused(): AsyncGenerator<Buffer> {
      for (let at = 0; at < 8; at += 1) yield buffer.fill(97 + at)
    }
    atlantic.door.handler = (exchange) => exchange.sendStream(200, [], { bytes: reused(), lengthBytes: 8 * buffer.length })
    const answer = await ask(pacific.port, `GET /a HTTP/1.1\r\n${CLOSE}\r\n`)
    const expected = Array.from({ length: 8 }, (_, at) => String.fromCodePoint(97 + at).repeat(buffer.length)).join('')
    assert.ok(comparable(answer).content === expected)
  })
})

describe('a client that waits for a 100', () => {
  const put = 'PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n'

  test('gets it when the leader wants the body, and not before', async () => {
    const { atlantic, pacific } = await start()
    const asked = Promise.withResolvers<void>()
    const allowed = Promise.withResolvers<void>()
    atlantic.door.handler = async (exchange) => {
      asked.resolve()
      await allowed.promise
      exchange.send(200, [], await exchange.body().collect())
    }
    const client = await dial(pacific.port)
    client.socket.write(put)
    await asked.promise
    await new Promise((resolve) => setTimeout(resolve, 30))
    assert.equal(client.received, '')
    allowed.resolve()
    await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
    client.socket.write('hello')
    await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n.*\r\n\r\nhello$/s)
    client.socket.destroy()
  })

  test('is told at once if the leader has no use for it', async () => {
    const { atlantic, pacific } = await start()
    atlantic.door.handler = (exchange) => exchange.send(412, [], 'changed')
    const client = await dial(pacific.port)
    client.socket.write(put)
    await client.until(/^HTTP\/1\.1 412 .*\r\n\r\nchanged$/s)
    client.socket.end()
    await client.closed()
    assert.doesNotMatch(client.received, /100 Continue/)
  })
})
