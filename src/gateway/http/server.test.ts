import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { AUTHORIZATION, startTestServer } from '#gateway/rest/rest-server.suite.ts'
import type { TestServer } from '#gateway/rest/rest-server.suite.ts'
import { BAD_REQUESTS, codeIn, FILE, message, put, statuses } from './raw-requests.suite.ts'

// The kernel through the REST door, byte by byte: what a client library would never send.

let server: TestServer | undefined

afterEach(async () => {
  await server?.[Symbol.asyncDispose]()
  server = undefined
})

async function start(options: Parameters<typeof startTestServer>[0] = {}): Promise<TestServer> {
  server = await startTestServer(options)
  return server
}

test('bad requests get their status and code, and change nothing', async () => {
  const { volumes, raw } = await start()
  await raw(put('present', 'here', 'Connection: close\r\n'))
  const volume = await volumes.open('docs')
  const before = volume.snapshot()
  assert.ok(BAD_REQUESTS.length > 50)
  for (const { name, bytes, status, code } of BAD_REQUESTS) {
    const answer = await raw(bytes, { until: /\r\n\r\n(\{.*\}\n?)?$/s })
    assert.deepEqual(
      [statuses(answer)[0], code === undefined ? undefined : codeIn(answer)],
      [status, code],
      `${name}: ${answer.slice(0, 600)}`,
    )
    assert.equal(volume.snapshot(), before, name)
  }
  assert.equal((await volumes.list()).length, 1)
})

test('requests that come in one piece are answered in their order', async () => {
  const { raw } = await start()
  const answer = await raw(
    [put('p', 'one'), message(`GET ${FILE}/missing`), put('p', 'two'), message(`GET ${FILE}/p`, 'Connection: close\r\n')].join(
      '',
    ),
  )
  assert.deepEqual(statuses(answer), [201, 404, 200, 200])
  assert.ok(answer.endsWith('two') || answer.endsWith('one'))
})

test('more requests under way on one connection than allowed are told so', async () => {
  const { raw } = await start({ limits: { maxPipelined: 4 } })
  const answer = await raw(message(`GET ${FILE}/x`).repeat(10))
  assert.equal(statuses(answer).filter((status) => status === 404).length, 4)
  assert.ok(statuses(answer).includes(503))
})

test('a client that waits for 100 gets it only when the rest of the request is fine', async () => {
  const { raw } = await start()
  const head = (path: string, headers = '') => message(`PUT ${path}`, `Content-Length: 5\r\nExpect: 100-continue\r\n${headers}`)
  const good = await raw([head(`${FILE}/c`, 'Connection: close\r\n'), 'hello'])
  assert.deepEqual(statuses(good), [100, 201])
  for (const [request, status] of [
    [head('/api/v1/volumes/nope/files/c'), 404],
    [head(`${FILE}/a/../b`), 400],
    [head(`${FILE}/c`, 'If-None-Match: *\r\n'), 412],
    [head(`${FILE}/c`).replace(AUTHORIZATION, 'Basic eDp5'), 401],
    [message(`PATCH ${FILE}/c?offset=0`, 'Content-Length: 99999999\r\nExpect: 100-continue\r\n'), 413],
  ] as const) {
    const answer = await raw(request, { until: /\}\n$/ })
    assert.deepEqual(statuses(answer), [status], request)
    assert.match(answer, /Connection: close/)
  }
})

test('a body that ends early is an error and stores nothing', async () => {
  const { raw, volumes } = await start()
  const answer = await raw(message(`PUT ${FILE}/short`, 'Content-Length: 100\r\n', 'only this'), { keepOpen: false })
  assert.deepEqual([statuses(answer), codeIn(answer)], [[400], 'INCOMPLETE_BODY'])
  const large = await raw(message(`PUT ${FILE}/short`, 'Content-Length: 10000000\r\n', 'x'.repeat(200_000)), { keepOpen: false })
  assert.deepEqual([statuses(large), codeIn(large)], [[400], 'INCOMPLETE_BODY'])
  const chunked = await raw(message(`PUT ${FILE}/short`, 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'), { keepOpen: false })
  assert.deepEqual([statuses(chunked), codeIn(chunked)], [[400], 'INCOMPLETE_BODY'])
  assert.equal(await (await volumes.open('docs')).stat(['short']), undefined)
})

test('what follows a body of the announced length is the next request', async () => {
  const { raw } = await start()
  const answer = await raw(`${put('exact', 'four')}${message('GET /healthz', 'Connection: close\r\n')}`)
  assert.deepEqual(statuses(answer), [201, 200])
  const lying = await raw(`${message(`PUT ${FILE}/exact`, 'Content-Length: 2\r\n', 'four')}`)
  assert.deepEqual(statuses(lying), [200, 400])
})

test('a body that stalls, or trickles, is given up', async () => {
  const { raw, volumes } = await start({ limits: { bodyIdleMs: 400 } })
  const stalled = await raw(message(`PUT ${FILE}/slow`, 'Content-Length: 10\r\n', 'x'))
  assert.deepEqual([statuses(stalled), codeIn(stalled)], [[408], 'TIMEOUT'])
  const trickle = await raw([message(`PUT ${FILE}/slow`, 'Content-Length: 100000\r\n'), ...Array.from({ length: 40 }, () => 'x')])
  assert.deepEqual([statuses(trickle)[0], codeIn(trickle)], [408, 'TIMEOUT'])
  assert.equal(await (await volumes.open('docs')).stat(['slow']), undefined)
})

test('headers that come too slowly are given up', async () => {
  const { raw } = await start({ limits: { headersTimeoutMs: 300 } })
  const answer = await raw('GET / HTTP/1.1\r\nHost: x\r\n')
  assert.deepEqual([statuses(answer), codeIn(answer)], [[408], 'TIMEOUT'])
})

test('an error before a large body reaches a client that is still sending', async () => {
  const { raw } = await start()
  const answer = await raw([
    message('PUT /api/v1/volumes/nope/files/x', 'Content-Length: 300000000\r\n'),
    Buffer.alloc(3_000_000),
    Buffer.alloc(3_000_000),
  ])
  assert.deepEqual([statuses(answer), codeIn(answer)], [[404], 'VOLUME_NOT_FOUND'])
})

test('an error before a small body keeps the connection', async () => {
  const { raw } = await start()
  const refused = message('PUT /api/v1/volumes/nope/files/x', 'Content-Length: 5\r\n')
  const answer = await raw([refused, 'hello', message('GET /healthz', 'Connection: close\r\n')])
  assert.deepEqual(statuses(answer), [404, 200])
})

test('a client that goes away in the middle of its upload leaves nothing behind', async () => {
  const { dial, volumes, finished } = await start()
  const socket = await dial()
  socket.write(message(`PUT ${FILE}/gone`, 'Content-Length: 10000000\r\n', 'x'.repeat(100_000)))
  await delay(50)
  socket.resetAndDestroy()
  for (let wait = 0; wait < 100 && finished.length === 0; wait += 1) await delay(10)
  assert.equal(finished.length, 1)
  assert.equal(finished[0]?.signal.aborted, true)
  assert.equal(await (await volumes.open('docs')).stat(['gone']), undefined)
})

for (const [what, bytes] of [
  ['a tunnel', 'CONNECT elsewhere:443 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['something that is no request', 'hello, is anybody there?\r\n\r\n'],
] as const) {
  test(`a client that asks for ${what} and resets the connection harms nobody`, async () => {
    const { dial, raw } = await start()
    const socket = await dial()
    socket.write(bytes)
    await once(socket, 'data')
    socket.resetAndDestroy()
    await delay(20)
    assert.deepEqual(statuses(await raw(message('GET /healthz', 'Connection: close\r\n'))), [200])
  })

  test(`a client that asks for ${what} and stays is put out after a while`, async () => {
    const { dial } = await start({ limits: { handshakeTimeoutMs: 200 } })
    const socket = await dial({ allowHalfOpen: true })
    socket.write(bytes)
    socket.resume()
    await once(socket, 'end')
    // Only a server that has let go of the connection answers further bytes with a reset, which the write after that meets.
    for (let wait = 0; wait < 100 && !socket.destroyed; wait += 1) {
      socket.write('still here')
      await delay(20)
    }
    assert.ok(socket.destroyed)
  })
}

test('a reader that stalls is cut off, and does not fill the memory', async () => {
  const { dial, raw, finished, volumes } = await start({ limits: { responseIdleMs: 500 } })
  const large = Buffer.alloc(60_000_000)
  await (await volumes.open('docs')).writeFile(['large'], large, { caller: { principal: 'test' } })
  const socket = await dial()
  socket.pause()
  socket.write(message(`GET ${FILE}/large`))
  for (let wait = 0; wait < 1000 && finished.length === 0; wait += 1) await delay(10)
  assert.equal(finished.length, 1)
  assert.equal(finished[0]?.aborted, true)
  socket.destroy()
  assert.deepEqual(statuses(await raw(message('GET /healthz', 'Connection: close\r\n'))), [200])
})

test('connections past the limit are closed at once', async () => {
  const { dial, raw } = await start({ limits: { maxConnections: 2 } })
  const sockets = [await dial(), await dial()]
  assert.equal(await raw(message('GET /healthz')), '')
  for (const socket of sockets) socket.destroy()
  await delay(50)
  assert.deepEqual(statuses(await raw(message('GET /healthz', 'Connection: close\r\n'))), [200])
})

test('a kept connection is closed some time after what its client was told, unless a request has begun to come', async () => {
  const { dial } = await start({ limits: { keepAliveMs: 1_000 } })
  const idle = await dial()
  const busy = await dial()
  let received = ''
  busy.on('data', (bytes) => (received += bytes.toString()))
  idle.resume()
  const startedMs = performance.now()
  const over = once(idle, 'close')
  idle.write(message('GET /healthz'))
  const [first, ...rest] = message('GET /healthz', 'Connection: close\r\n')
  busy.write(message('GET /healthz'))
  await once(busy, 'data')
  assert.match(received, /\r\nKeep-Alive: timeout=1\r\n/)
  busy.write(first as string)
  await over
  const closedMs = performance.now() - startedMs
  assert.ok(closedMs > 1_500 && closedMs < 4_000, `after ${closedMs} ms`)
  await delay(500)
  busy.write(rest.join(''))
  await once(busy, 'close')
  assert.deepEqual(statuses(received), [200, 200])
  assert.doesNotMatch(received, /Keep-Alive.*Keep-Alive/s)
})

test('a client that is slow to send its second request has all the time that it was told', async () => {
  const { dial } = await start({ limits: { keepAliveMs: 2_000, responseIdleMs: 300 } })
  const socket = await dial()
  let received = ''
  socket.on('data', (bytes) => (received += bytes.toString()))
  socket.write(message('GET /healthz'))
  await delay(1_500)
  socket.write(message('GET /healthz', 'Connection: close\r\n'))
  await once(socket, 'close')
  assert.deepEqual(statuses(received), [200, 200])
})

test('a connection that says nothing, or begins a request and goes no further, is closed', async () => {
  const { dial } = await start({ limits: { headersTimeoutMs: 30_000, keepAliveMs: 30_000, responseIdleMs: 300 } })
  const mute = await dial()
  const halting = await dial()
  for (const socket of [mute, halting]) socket.resume()
  const over = Promise.all([once(mute, 'close'), once(halting, 'close')])
  halting.write(message('GET /healthz'))
  await delay(200)
  halting.write('GET /heal')
  const startedMs = performance.now()
  await over
  const closedMs = performance.now() - startedMs
  assert.ok(closedMs > 100 && closedMs < 5_000, `after ${closedMs} ms`)
})

test('stopping lets what is under way finish, and takes nothing new', async () => {
  const { server: http, dial, url, volumes } = await start()
  const socket = await dial()
  const idle = await dial()
  let received = ''
  socket.on('data', (bytes) => (received += bytes.toString()))
  socket.write(message(`PUT ${FILE}/late`, 'Content-Length: 10\r\n', 'first'))
  await delay(50)
  const stopped = http.stop(3000)
  await delay(50)
  await assert.rejects(fetch(`${url}/healthz`))
  socket.write(' last')
  await stopped
  await delay(50)
  assert.deepEqual(statuses(received), [201])
  assert.match(received, /Connection: close/)
  assert.equal((await (await volumes.open('docs')).stat(['late']))?.sizeBytes, 10)
  idle.destroy()
})

test('what is not finished within the grace time is cut off', async () => {
  const { server: http, dial } = await start()
  const socket = await dial()
  socket.write(message(`PUT ${FILE}/never`, 'Content-Length: 10\r\n', 'first'))
  await delay(50)
  const startedMs = performance.now()
  await http.stop(200)
  assert.ok(performance.now() - startedMs < 1500)
})

test('the absolute form of a target is accepted', async () => {
  const { raw } = await start()
  assert.deepEqual(statuses(await raw('GET http://x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')), [200])
})

test('requests are logged with their id and without secrets', async () => {
  const { raw, log } = await start({ requestLog: 'all' })
  const answer = await raw(put('logged', 'secret contents', 'Connection: close\r\n'))
  await delay(20)
  const line = log.find((entry) => entry.message === 'request')
  assert.equal(line?.['requestId'], /X-Request-Id: (\S+)/.exec(answer)?.[1])
  assert.deepEqual([line?.['status'], line?.['principal'], line?.['door']], [201, 'root', 'rest'])
  assert.doesNotMatch(JSON.stringify(log), /secret/)
})

test('an unexpected failure says no more than its request id, and logs the rest', async () => {
  const { raw, log, volumes } = await start()
  volumes.list = () => Promise.reject(new TypeError('inner detail'))
  const answer = await raw(message('GET /api/v1/volumes', 'Connection: close\r\n'))
  assert.deepEqual([statuses(answer), codeIn(answer)], [[500], 'INTERNAL'])
  assert.doesNotMatch(answer, /inner detail/)
  const id = /"requestId":"([^"]+)"/.exec(answer)?.[1]
  assert.ok(
    log.some((entry) => entry.level === 'error' && entry['requestId'] === id && String(entry['error']).includes('inner detail')),
  )
})
