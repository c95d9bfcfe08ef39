import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import type { Change } from '#volume/volume.ts'
import { HEARTBEAT_MS, SLOW_READER_MS } from './change-lines.ts'
import { MemoryVolumes } from './memory-volumes.suite.ts'
import { AUTHORIZATION, startTestServer } from './rest-server.suite.ts'

const turn = () => new Promise((resolve) => setTimeout(resolve, 20))
const REQUEST = (query = '', headers = '') =>
  `GET /api/v1/changes${query} HTTP/1.1\r\nHost: x\r\nAuthorization: ${AUTHORIZATION}\r\n${headers}\r\n`

function change(number: number): Change {
  return {
    cursor: String(number),
    timeNs: 0n,
    kind: 'write',
    volume: 'docs',
    principal: 'someone',
    inode: 7 as InodeId,
    parent: undefined,
    type: 'file',
    path: ['p'.repeat(200), String(number)],
    from: undefined,
  }
}

class FeedVolumes extends MemoryVolumes {
  readonly #feed: () => AsyncIterableIterator<Change>
  constructor(feed: () => AsyncIterableIterator<Change>) {
    super()
    this.#feed = feed
  }
  override changes(): AsyncIterableIterator<Change> {
    return this.#feed()
  }
}

test('a silent stream shows that it lives', async () => {
  const clock = new ManualClock()
  await using server = await startTestServer({ clock })
  const socket = await server.dial()
  let received = ''
  socket.on('data', (bytes) => (received += bytes.toString()))
  socket.write(REQUEST('', 'Accept: text/event-stream\r\n'))
  for (let step = 0; step < 4; step += 1) {
    await turn()
    clock.advance(HEARTBEAT_MS)
  }
  await turn()
  assert.match(received, /text\/event-stream/)
  assert.ok(received.split(':\n\n').length >= 3, received)
  socket.destroy()
})

test('a reader that takes nothing is cut off with a last line that says where to go on', async () => {
  let made = 0
  async function* endless(): AsyncIterableIterator<Change> {
    for (;;) yield change((made += 1))
  }
  const clock = new ManualClock()
  await using server = await startTestServer({ clock, volumes: new FeedVolumes(endless) })
  const socket = await server.dial()
  socket.pause()
  socket.write(REQUEST())
  let before = -1
  while (made !== before || made === 0) {
    before = made
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  // It is the buffers of the two sockets that are full, not the memory of the node.
  assert.ok(made < 100_000, `${made} changes were taken for a reader that reads none`)
  clock.advance(SLOW_READER_MS)
  let received = ''
  const ended = new Promise((resolve) => socket.on('close', resolve))
  socket.on('data', (bytes) => (received += bytes.toString()))
  socket.resume()
  for (let wait = 0; wait < 100 && !received.includes('urn:shoal'); wait += 1) await turn()
  socket.destroy()
  await ended
  const last = /\{"status":408.*\}/.exec(received)?.[0]
  assert.ok(last !== undefined, received.slice(-300))
  assert.deepEqual([JSON.parse(last).code, JSON.parse(last).cursor], ['TIMEOUT', String(made)])
})

test('a reader that was overtaken is told so in the stream', async () => {
  async function* overtaken(): AsyncIterableIterator<Change> {
    yield change(1)
    throw new ShoalError('CURSOR_TOO_OLD', 'The feed no longer has what came after the cursor')
  }
  await using server = await startTestServer({ volumes: new FeedVolumes(overtaken) })
  const answer = await server.raw(REQUEST('', 'Connection: close\r\n'))
  assert.match(answer, /^HTTP\/1.1 200 /)
  assert.match(answer, /"cursor":"1"[^]*"code":"CURSOR_TOO_OLD"/)
})

test('a feed that is being followed ends when the node stops', async () => {
  await using server = await startTestServer()
  const answer = server.raw(REQUEST())
  await new Promise((resolve) => setTimeout(resolve, 150))
  server.stopping()
  await server.server.stop(1000)
  assert.match(await answer, /"code":"UNAVAILABLE"/)
})
