import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from './message.ts'
import { runFaults } from './simulation-faults.suite.ts'

const FIRST_SEED = Number(process.env['SHOAL_EVENTUAL_SEED'] ?? 1)
const SEEDS = Number(process.env['SHOAL_EVENTUAL_SEEDS'] ?? (process.env['SHOAL_EVENTUAL_SEED'] === undefined ? 12 : 1))

test('whatever crashes, is cut off, wiped or wrong about the time: all agree, nothing is lost, nothing rises from the dead', async () => {
  let [crashes, wipes, acknowledged] = [0, 0, 0]
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
    const run = await runFaults({ nodes: 3 + (seed % 5), seed })
    assert.deepEqual(run.faults, [], `SHOAL_EVENTUAL_SEED=${seed}`)
    acknowledged += run.acknowledged
    crashes += run.crashes
    wipes += run.wipes
  }
  assert.ok(acknowledged > 30 * SEEDS, `${acknowledged} changes only`)
  if (SEEDS >= 12) assert.ok(crashes > SEEDS && wipes > 0, `${crashes} crashes and ${wipes} wipes only`)
})

/** Takes losing versions out of what is sent, as if their dots were enough. */
function losersForgotten(message: Message): Message {
  const { body } = message
  if (body.kind !== 'swapped' && body.kind !== 'rumours' && body.kind !== 'swap') return message
  const entries = body.entries.map((entry) => {
    const [winner, ...losers] = entry.state.versions
    if (winner === undefined) return entry
    const context = new Map([...entry.state.context, ...losers.map(({ node, time }) => [node, time] as const)])
    return { ...entry, state: { versions: [winner], context: new Map([...context].toSorted(([a], [b]) => (a < b ? -1 : 1))) } }
  })
  return { ...message, body: { ...body, entries } }
}

/** Says that everything is known everywhere. */
function floorOverstated(message: Message): Message {
  return { ...message, floor: message.now }
}

for (const [what, plant] of Object.entries({ losersForgotten, floorOverstated })) {
  test(`canary: a planted defect (${what}) is found`, async () => {
    let found = 0
    for (let seed = 1; seed <= 4 && found === 0; seed += 1)
      found += (await runFaults({ nodes: 5, seed, plant, rounds: 60 })).faults.length
    assert.ok(found > 0)
  })
}
