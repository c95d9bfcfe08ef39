import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ShoalError } from '#foundation/errors.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import type { Socket, SocketEvents } from '#platform/sockets.ts'
import { FRAME, FrameReader, encodeFrame } from './frames.ts'
import type { FrameType } from './frames.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import { Link } from './link.ts'
import { HELLO } from './wire-fixture.suite.ts'

/** A socket that takes what it is told to, and keeps it. */
class FakeSocket implements Socket {
  readonly remoteAddress = 'atlantic'
  readonly proof = { kind: 'plain' } as const
  readonly written: Uint8Array[][] = []
  waitingBytes = 0
  /** How many writes it takes before it asks to wait. */
  room = Number.POSITIVE_INFINITY
  events: SocketEvents | undefined
  isEnded = false
  isDestroyed = false

  open(events: SocketEvents): void {
    this.events = events
  }

  write(pieces: readonly Uint8Array[]): boolean {
    this.written.push([...pieces])
    this.room -= 1
    return this.room > 0
  }

  end(): void {
    this.isEnded = true
  }

  destroy(): void {
    this.isDestroyed = true
    this.events?.closed(undefined)
  }

  /** Types of the frames that were written. */
  types(): FrameType[] {
    const types: FrameType[] = []
    const reader = new FrameReader({
      frame: ({ type }) => void types.push(type),
      data: () => void types.push(FRAME.DATA),
    })
    reader.push(Buffer.concat(this.written.flat()))
    return types
  }
}

interface Rig {
  readonly socket: FakeSocket
  readonly link: Link
  readonly clock: ManualClock
  readonly errors: ShoalError[]
}

function rig(): Rig {
  const socket = new FakeSocket()
  const clock = new ManualClock()
  const errors: ShoalError[] = []
  const events = { greeted() {}, frame() {}, data() {}, closed: (error: ShoalError) => void errors.push(error) }
  const link = new Link({ socket, clock, limits: DEFAULT_LIMITS, hello: HELLO }, { greetsFirst: true }, events)
  return { socket, link, clock, errors }
}

test('data that waits goes out as the socket takes it, in order, and small frames pass it by', async () => {
  const { socket, link } = rig()
  socket.room = 1
  const order: number[] = []
  const send = async (call: number): Promise<void> => {
    await link.sendData(call, Buffer.of(call))
    order.push(call)
  }
  const sent = [1, 2, 3, 4, 5].map(send)
  await Promise.resolve()
  assert.deepEqual(order, [1])
  link.send(encodeFrame({ type: FRAME.CANCEL, flags: 0, call: 9 }))
  assert.deepEqual(socket.types(), [FRAME.HELLO, FRAME.DATA, FRAME.CANCEL])
  socket.room = 2
  socket.events?.drained()
  await Promise.all(sent.slice(0, 3))
  assert.deepEqual(order, [1, 2, 3], 'no more than the socket takes')
  socket.room = 9
  socket.events?.drained()
  await Promise.all(sent)
  assert.deepEqual(order, [1, 2, 3, 4, 5])
})

test('data goes to the socket as it is, uncopied', () => {
  const { socket, link } = rig()
  const bytes = Buffer.alloc(1000)
  void link.sendData(1, bytes)
  assert.equal(socket.written.at(-1)?.[1], bytes)
})

test('a peer that takes nothing in while frames pile up is given up, and what waits fails', async () => {
  const { socket, link, errors } = rig()
  socket.room = 0
  void link.sendData(1, Buffer.of(1))
  const waiting = link.sendData(2, Buffer.of(2))
  socket.waitingBytes = DEFAULT_LIMITS.waitingBytesMax / 2 + 1
  assert.ok(link.isCrowded)
  socket.waitingBytes = DEFAULT_LIMITS.waitingBytesMax + 1
  link.send(encodeFrame({ type: FRAME.END, flags: 0, call: 1 }))
  await assert.rejects(async () => waiting, { code: 'UNAVAILABLE', message: /takes nothing in/ })
  assert.ok(socket.isDestroyed)
  assert.deepEqual(
    errors.map(({ code }) => code),
    ['UNAVAILABLE'],
  )
})

test('a connection that fails says why, and is closed for good when the other side does not', async () => {
  const { socket, clock, errors } = rig()
  socket.events?.received(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
  assert.deepEqual(socket.types(), [FRAME.HELLO, FRAME.ERROR])
  assert.ok(socket.isEnded && !socket.isDestroyed)
  socket.events?.received(Buffer.from('more of it'))
  assert.equal(socket.written.length, 2)
  clock.advance(DEFAULT_LIMITS.lingerMs)
  await Promise.resolve()
  assert.ok(socket.isDestroyed)
  assert.match(errors[0]!.message, /does not begin with a HELLO/)
})
