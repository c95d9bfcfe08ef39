import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#platform/manual-clock.ts'
import { ClassRoom } from './class-room.ts'

test('room is asked for when somebody looks, rarely, and as it was last known when nobody answers', async () => {
  const clock = new ManualClock()
  const asked: string[] = []
  let freeBytes: number | null | undefined = 10
  const show = async (name: string): Promise<never> => {
    asked.push(name)
    if (freeBytes === undefined) throw new Error('nobody there')
    return { freeBytes } as never
  }
  const room = new ClassRoom({ show }, clock)
  const look = async (name = 'default'): Promise<number | undefined> => {
    room.bytes(name)
    await new Promise((resolve) => setImmediate(resolve))
    return room.bytes(name)
  }
  assert.equal(room.bytes('default'), undefined)
  assert.equal(await look(), 10)
  freeBytes = 5
  assert.equal(await look(), 10)
  clock.advance(31_000)
  assert.equal(await look(), 5)
  freeBytes = undefined
  clock.advance(31_000)
  assert.equal(await look(), 5)
  assert.equal(asked.length, 3)
  freeBytes = 7
  assert.equal(await look('other'), 7, 'a volume that gets another class')
  freeBytes = null
  clock.advance(31_000)
  assert.equal(await look('other'), undefined)
})
