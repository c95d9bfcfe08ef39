import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { silentLog } from '#observe/log.ts'
import { LedWork } from './led-work.ts'

class Terms {
  isLeading = false
  #listener = (): void => {}
  leader = () => undefined
  onChange(listener: () => void) {
    this.#listener = listener
    return () => (this.#listener = () => {})
  }
  become(isLeading: boolean): void {
    this.isLeading = isLeading
    this.#listener()
  }
}

test('background work runs while the node leads, is never started before it was stopped, and ends with the node', async () => {
  const leadership = new Terms()
  const done: string[] = []
  let stopping = Promise.withResolvers<void>()
  const work = {
    start: () => void done.push('start'),
    stop: async () => {
      done.push('stop')
      await stopping.promise
      done.push('stopped')
    },
  }
  const led = new LedWork({ leadership, work, log: silentLog })
  await setImmediate()
  assert.deepEqual(done, [])
  leadership.become(true)
  await setImmediate()
  leadership.become(false)
  await setImmediate()
  leadership.become(true)
  await setImmediate()
  assert.deepEqual(done.splice(0), ['start', 'stop'])
  stopping.resolve()
  await setImmediate()
  assert.deepEqual(done.splice(0), ['stopped', 'start'])
  stopping = Promise.withResolvers()
  const stopped = led.stop()
  await setImmediate()
  assert.deepEqual(done.splice(0), ['stop'])
  stopping.resolve()
  await stopped
  leadership.become(true)
  await setImmediate()
  assert.deepEqual(done, ['stopped'])
})
