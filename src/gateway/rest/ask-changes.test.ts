import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { AUTHORIZATION, startTestServer, type TestServer } from './rest-server.suite.ts'

const HEAD = (query: string, authorization: string) =>
  `POST /api/v1/changes${query} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n`

/** A connection on which questions are asked. */
class Asker {
  readonly #socket: Socket
  received = ''

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => (this.received += bytes.toString()))
  }

  static async begin(server: TestServer, query = '', authorization = AUTHORIZATION): Promise<Asker> {
    const socket = await server.dial()
    socket.write(HEAD(query, authorization))
    return new Asker(socket)
  }

  send(text: string): void {
    this.#socket.write(`${text.length.toString(16)}\r\n${text}\r\n`)
  }

  async until(pattern: RegExp): Promise<void> {
    for (let tries = 0; tries < 200 && !pattern.test(this.received); tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 10))
    assert.match(this.received, pattern)
  }

  end(): void {
    this.#socket.destroy()
  }
}

test('a question is answered behind what had changed when it was asked', async () => {
  await using server = await startTestServer()
  const caller = { principal: 'x' }
  const volume = await server.volumes.open('docs')
  const asker = await Asker.begin(server, `?cursor=${await server.volumes.currentCursor()}&volume=docs`)
  for (let round = 1; round <= 5; round += 1) {
    await volume.writeFile([`f${round}`], Buffer.from('x'), { caller })
    asker.send(`${round * 10}\n`)
    await asker.until(new RegExp(`"path":"f${round}"[^]*\\{"heard":${round * 10}\\}`))
  }
  // Several at once, one of them not whole: the last whole one stands for all.
  asker.send('61\n62\n6')
  await asker.until(/"heard":62/)
  asker.send('3\n')
  await asker.until(/"heard":63/)
  assert.doesNotMatch(asker.received, /"heard":61/)
  asker.end()
})

test('who may not ask any more has no answer, and the feed ends', async () => {
  await using server = await startTestServer()
  const keys = (method: string, path = '', body?: string) =>
    fetch(`${server.url}/api/v1/keys${path}`, {
      method,
      headers: { authorization: AUTHORIZATION },
      ...(body === undefined ? {} : { body }),
    })
  const made = (await (await keys('POST', '', '{"principal":"guest"}')).json()) as Record<string, string>
  const proof = Buffer.from(`${made['accessKey']}:${made['secretKey']}`).toString('base64')
  const asker = await Asker.begin(server, '', `Basic ${proof}`)
  asker.send('1\n')
  await asker.until(/"heard":1/)
  assert.equal((await keys('DELETE', `/${made['accessKey']}`)).status, 204)
  asker.send('2\n')
  await asker.until(/"code":"UNAUTHENTICATED"/)
  assert.doesNotMatch(asker.received, /"heard":2/)
  asker.end()
})

test('what is no question ends the feed with what is wrong with it', async () => {
  await using server = await startTestServer()
  for (const wrong of ['x\n', '-1\n', '\n', '1'.repeat(16), `${'9'.repeat(16)}\n`]) {
    const asker = await Asker.begin(server)
    asker.send('1\n')
    await asker.until(/"heard":1/)
    asker.send(wrong)
    await asker.until(/"code":"INVALID_ARGUMENT"/)
    asker.end()
  }
})

test('a feed that is asked ends when its questions do', async () => {
  await using server = await startTestServer()
  const answer = await server.raw(`${HEAD('', AUTHORIZATION)}2\r\n7\n\r\n0\r\n\r\n`)
  assert.match(answer, /^HTTP\/1.1 200 [^]*\r\n0\r\n\r\n$/)
})
