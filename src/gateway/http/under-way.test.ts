import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#platform/manual-clock.ts'
import { UnderWay } from './under-way.ts'

test('who waits for the end of what is under way is told of it, or that the time was over', async () => {
  const [clock, underWay] = [new ManualClock(), new UnderWay()]
  assert.equal(await underWay.ended({ clock, withinMs: 100 }), true)
  const [first, second] = [underWay.begin(), underWay.begin()]
  const ending = underWay.ended({ clock, withinMs: 100 })
  first()
  first()
  assert.equal(underWay.size, 1)
  second()
  assert.equal(await ending, true)
  underWay.begin()
  const late = underWay.ended({ clock, withinMs: 100 })
  clock.advance(100)
  assert.equal(await late, false)
})

test('what is cut off is told so, once', () => {
  const underWay = new UnderWay()
  let cuts = 0
  const cut = (): void => {
    cuts += 1
  }
  const overs = [underWay.begin(cut), underWay.begin(cut)]
  overs[0]?.()
  underWay.cut()
  overs[1]?.()
  underWay.cut()
  assert.deepEqual([cuts, underWay.size], [1, 0])
})
