import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '#platform/manual-clock.ts'
import { HeardChanges } from './heard-changes.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** What a feed is sent. */
function listen(questions: AsyncIterable<number>): number[] {
  const sent: number[] = []
  void (async () => {
    for await (const question of questions) sent.push(question)
    sent.push(Infinity)
  })()
  return sent
}

function begun() {
  const clock = new ManualClock()
  const heard = new HeardChanges(clock)
  return { clock, heard, sent: listen(heard.begin()) }
}

test('nobody is kept waiting before a feed has answered for the first time', async () => {
  const { heard, sent } = begun()
  await turn()
  assert.deepEqual(sent, [1])
  assert.equal(await heard.ask(), false)
  heard.answered(1, true)
  const asked = heard.ask()
  await turn()
  assert.deepEqual(sent, [1, 2])
  heard.answered(2, true)
  assert.equal(await asked, true)
})

test('who asks in one turn shares a question, and who asks later has one of his own, however many are on their way', async () => {
  const { heard, sent } = begun()
  await turn()
  heard.answered(1, true)
  const answers: boolean[][] = []
  for (let round = 0; round < 3; round += 1) {
    const mine: boolean[] = []
    answers.push(mine)
    for (let times = 0; times < 5; times += 1) void heard.ask().then((answer) => mine.push(answer))
    await turn()
  }
  assert.deepEqual(sent, [1, 2, 3, 4])
  heard.answered(3, true)
  await turn()
  assert.deepEqual(
    answers.map(({ length }) => length),
    [5, 5, 0],
  )
  heard.answered(4, false)
  await turn()
  assert.deepEqual(answers[2], Array(5).fill(false))
})

test('who waits when the feed is lost hears that nobody can say, and so does whoever asks before the next one answers', async () => {
  const { heard, sent } = begun()
  await turn()
  heard.answered(1, true)
  const asked = [heard.ask()]
  await turn()
  asked.push(heard.ask())
  heard.end()
  assert.deepEqual(await Promise.all(asked), [false, false])
  await turn()
  assert.deepEqual(sent, [1, 2, Infinity])
  const next = listen(heard.begin())
  await turn()
  assert.deepEqual(next, [3])
  assert.equal(await heard.ask(), false)
  // An answer of the feed before, to a question that this one never had.
  heard.end()
  heard.answered(3, true)
  assert.equal(await heard.ask(), false)
})

test('a feed that does not answer in time is not asked until it answers again', async () => {
  const { clock, heard } = begun()
  await turn()
  heard.answered(1, true)
  const asked = heard.ask()
  await turn()
  clock.advance(1_000)
  assert.equal(await asked, false)
  assert.equal(await heard.ask(), false)
  heard.answered(2, true)
  const again = heard.ask()
  await turn()
  heard.answered(3, true)
  assert.equal(await again, true)
})

test('while a feed has promised that nothing changes nobody asks, and then one asks again', async () => {
  const { clock, heard, sent } = begun()
  await turn()
  heard.answered(1, true, 20)
  // That question was asked for another reason.
  assert.equal(heard.isSure, false)
  const asked = heard.ask()
  await turn()
  clock.advance(5)
  heard.answered(2, true, 20)
  assert.equal(await asked, true)
  // It counts from the question, and a tenth of it isn't relied on.
  clock.advance(12)
  assert.deepEqual([heard.isSure, await heard.ask()], [true, true])
  clock.advance(1)
  assert.equal(heard.isSure, false)
  void heard.ask()
  await turn()
  assert.deepEqual(sent, [1, 2, 3])
  // What was told before isn't known yet.
  heard.answered(3, false, 20)
  assert.equal(heard.isSure, false)
  void heard.ask()
  await turn()
  // More than any node promises.
  heard.answered(4, true, 1e9)
  clock.advance(17)
  assert.equal(heard.isSure, true)
  clock.advance(1)
  assert.equal(heard.isSure, false)
  void heard.ask()
  await turn()
  heard.answered(5, true, 20)
  assert.equal(heard.isSure, true)
  heard.end()
  assert.equal(heard.isSure, false)
})
