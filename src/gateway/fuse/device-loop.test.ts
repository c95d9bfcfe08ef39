import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { silentLog } from '#observe/log.ts'
import type { FuseDevice } from '#platform/fuse-device.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { DeviceLoop } from './device-loop.ts'
import { initMessage, kernelMessage } from './protocol/kernel-messages.suite.ts'
import { refusal } from './protocol/errno.ts'
import { FuseSession } from './protocol/session.ts'

/** A device whose kernel is an array. */
class ArrayDevice implements FuseDevice {
  readonly requests: (Buffer | 'gone' | 'failed')[] = []
  readonly answered: bigint[] = []
  isPaused = false
  later: (() => void)[] = []
  /** How often it was read from. */
  reads = 0
  onRead = (): void => undefined
  onWay = (): void => undefined
  #onReadable: (() => void) | undefined

  watch(onReadable: () => void): void {
    this.#onReadable = onReadable
  }
  pause(): void {
    this.isPaused = true
  }
  resume(): void {
    this.isPaused = false
  }
  read(buffer: Buffer): number | undefined {
    this.reads += 1
    this.onRead()
    const request = this.requests.shift()
    if (request === 'failed') throw new ShoalError('STORAGE_FAILED', 'Broken')
    return request === 'gone' ? undefined : (request?.copy(buffer) ?? 0)
  }
  soon(call: () => void): void {
    this.later.push(call)
  }
  isEnding(): boolean {
    return false
  }

  giveWay(): void {
    this.onWay()
  }
  write(head: Buffer): boolean {
    this.answered.push(head.readBigUInt64LE(8))
    return true
  }
  notify = () => Promise.resolve('taken' as const)
  openBacking = () => assert.fail('Nothing is passed through')
  close = () => Promise.resolve()

  /** One turn of the event loop. */
  turn(): void {
    if (!this.isPaused) this.#onReadable?.()
  }
}

function loopWith(lookup: () => Promise<never>) {
  const device = new ArrayDevice()
  const clock = new ManualClock()
  const session = new FuseSession({
    operations: { forget: () => undefined, lookup, getattr: lookup },
    sink: {
      reply: (head) => {
        const taken = device.write(head)
        loop.answered()
        return taken
      },
    },
    wishes: { features: new Set(), requestBytesMax: 1024 * 1024, readAheadBytes: 0, backgroundMax: 64, stackDepthMax: 1 },
    clock,
    log: silentLog,
    requestMsMax: 1000,
    isEnding: () => false,
  })
  const loop: DeviceLoop = new DeviceLoop({ device, session, clock, log: silentLog })
  device.requests.push(initMessage())
  loop.start()
  return { device, session, loop, clock }
}

const lookup = (unique: number) => kernelMessage({ opcode: 'LOOKUP', unique: BigInt(unique), names: ['a'] })
const never = () => new Promise<never>(() => undefined)

test('a turn answers sixteen requests at most, and the rest in the next', () => {
  const { device, session } = loopWith(never)
  for (let at = 1; at <= 20; at += 1) device.requests.push(lookup(at * 2))
  device.turn()
  assert.equal(session.pending, 15)
  device.turn()
  assert.equal(session.pending, 20)
})

test('a session that is full stops the reading, and an answer takes it up again', async () => {
  const first = Promise.withResolvers<never>()
  let calls = 0
  const { device, session } = loopWith(() => ((calls += 1) === 1 ? first.promise : never()))
  for (let at = 1; at <= 5000; at += 1) device.requests.push(lookup(at * 2))
  for (let turn = 0; turn < 400; turn += 1) device.turn()
  assert.ok(session.isFull && device.isPaused)
  const left = device.requests.length
  first.reject(new ShoalError('NOT_FOUND', 'Not there'))
  await new Promise(setImmediate)
  assert.ok(!device.isPaused)
  device.turn()
  assert.equal(device.requests.length, left - 1)
})

test('who was answered is expected to ask again for a moment, and after some times in vain only now and then', () => {
  const { device } = loopWith(() => refusal('ENOENT') as never)
  device.turn()
  device.requests.push(lookup(2))
  device.turn()
  device.reads = 0
  device.onRead = () => {
    if (device.reads === 3) device.requests.push(lookup(4))
  }
  device.later.shift()?.()
  assert.equal(device.answered.at(-1), 4n)
  let looked = 0
  for (let at = 3; at < 200; at += 1) {
    for (const call of device.later.splice(0)) call()
    device.requests.push(lookup(at * 2))
    device.turn()
    looked += device.later.length
  }
  assert.ok(looked > 8 && looked < 30, String(looked))
})

test('who was answered gets the processor on which his next request is looked for, unless others use it up', () => {
  const { device, clock } = loopWith(() => refusal('ENOENT') as never)
  device.turn()
  let ways = 0
  let takesMs = 0.02
  device.onWay = () => {
    ways += 1
    clock.advance(takesMs)
    if (takesMs === 0.02 && ways === 2) device.requests.push(lookup(4))
  }
  const look = (): number => {
    ways = 0
    device.requests.push(lookup(2))
    device.turn()
    device.answered.length = 0
    // It isn't waited for without end where nobody gets the processor.
    device.onRead = () => clock.advance(0.005)
    for (const call of device.later.splice(0)) call()
    device.onRead = () => undefined
    return ways
  }
  assert.equal(look(), 2)
  assert.deepEqual(device.answered, [4n])
  takesMs = 3
  assert.equal(look(), 1)
  assert.equal(look(), 0)
  clock.advance(100)
  assert.equal(look(), 1)
})

test('an unmounted device ends the session, a broken one rejects', async () => {
  const unmounted = loopWith(never)
  unmounted.device.requests.push(lookup(2), 'gone')
  unmounted.device.turn()
  await unmounted.loop.ended
  assert.equal(unmounted.session.state, 'ended')
  assert.deepEqual(unmounted.device.answered, [2n, 2n])
  const broken = loopWith(never)
  broken.device.requests.push('failed')
  broken.device.turn()
  await assert.rejects(broken.loop.ended, { code: 'STORAGE_FAILED' })
  assert.equal(broken.session.state, 'ended')
})

test('requests that nobody answers are given up as the clock goes', async () => {
  const { device, session, clock } = loopWith(never)
  device.requests.push(lookup(4))
  device.turn()
  for (let second = 0; second < 3; second += 1) {
    clock.advance(1000)
    await new Promise(setImmediate)
  }
  assert.equal(session.pending, 0)
  assert.deepEqual(device.answered, [2n, 4n])
})
