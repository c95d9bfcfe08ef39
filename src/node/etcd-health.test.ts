import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { silentLog } from '#observe/log.ts'
import type { LogFields } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { EtcdHealth } from './etcd-health.ts'

test('an etcd that is full is told of though it can still be read', () => {
  const clock = new ManualClock()
  const said: string[] = []
  const note = (message: string) => void said.push(message)
  const health = new EtcdHealth({ clock, log: { ...silentLog, warn: note, info: note } })
  for (let second = 0; second < 50; second += 1) {
    health.failed(new ShoalError('NO_SPACE', 'etcd says: database space exceeded'))
    health.failed(new ShoalError('NOT_FOUND', 'etcd says: requested lease not found'))
    health.answered()
    clock.advance(1_000)
    assert.equal(health.problem, 'etcd says: database space exceeded')
  }
  assert.equal(said.length, 1)
  clock.advance(5_000)
  health.answered()
  assert.equal(health.problem, undefined)
  assert.deepEqual(said.slice(1), ['etcd answers again'])
})

test('an etcd that answers nothing for 5 s is told of, with the reason, once a minute, and when it answers again', () => {
  const clock = new ManualClock()
  const said: LogFields[] = []
  const note = (message: string, fields?: LogFields) => void said.push({ message, ...fields })
  const health = new EtcdHealth({ clock, log: { ...silentLog, warn: note, info: note } })
  const failure = new ShoalError('UNAVAILABLE', 'etcd at https://e:2379 cannot be reached', { cause: new Error('self-signed') })
  health.answered()
  health.failed(failure)
  clock.advance(4_000)
  health.failed(failure)
  assert.deepEqual([said, health.problem], [[], undefined], 'it may be restarting')
  health.answered()
  clock.advance(4_000)
  health.failed(failure)
  assert.equal(health.problem, undefined)
  for (let second = 0; second < 70; second += 1) {
    clock.advance(1_000)
    health.failed(failure)
  }
  assert.equal(health.problem, 'etcd at https://e:2379 cannot be reached: self-signed')
  assert.deepEqual(
    said.map(({ reason }) => reason),
    [health.problem, health.problem],
  )
  health.answered()
  assert.equal(health.problem, undefined)
  assert.equal(said.at(-1)?.['message'], 'etcd answers again')
})
