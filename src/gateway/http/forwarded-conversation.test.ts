import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dial, type Handler, startCluster } from './forward-fixture.suite.ts'

const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
const HEAD = `POST /talk HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`

/** Answers each piece of the body as it comes. */
const echo: Handler = async (exchange) => {
  exchange.mustClose = true
  exchange.startStream(200, [])
  for await (const piece of exchange.body(undefined, { isTimed: false })) exchange.write(`<${piece.toString()}>`)
  exchange.end()
}

for (const where of ['atlantic', 'pacific'] as const)
  test(`a conversation with ${where} goes on for longer than a body may pause`, async () => {
    await using cluster = await startCluster({ limits: { bodyIdleMs: 200 } })
    cluster.atlantic.door.handler = echo
    for (const { door } of [cluster.atlantic, cluster.pacific]) door.isTalk = true
    const client = await dial(cluster[where].port)
    client.socket.write(HEAD + chunk('one'))
    await client.until(/<one>/)
    await new Promise((resolve) => setTimeout(resolve, 600))
    client.socket.write(chunk('two'))
    await client.until(/<two>/)
    client.socket.write('0\r\n\r\n')
    assert.match(await client.closed(), /Connection: close[^]*0\r\n\r\n$/)
  })

test('any other body that pauses is given up', async () => {
  await using cluster = await startCluster({ limits: { bodyIdleMs: 200 } })
  cluster.atlantic.door.handler = async (exchange) => exchange.send(200, [], await exchange.body().collect())
  const client = await dial(cluster.pacific.port)
  client.socket.write(HEAD + chunk('one'))
  assert.match((await client.until(/X-Code: (\w+)/))[1] ?? '', /TIMEOUT/)
  client.socket.destroy()
})
