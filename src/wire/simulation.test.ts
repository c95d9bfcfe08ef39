import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import type { WireMethods } from './methods.ts'
import { readWhole, simulatePair } from './wire-fixture.suite.ts'
import type { SimulatedPair } from './wire-fixture.suite.ts'

const SEEDS = 12
const CALLS = 40
/** What a broken network may do to a call; everything else would be a defect. */
const EXPECTED = new Set(['UNAVAILABLE', 'TIMEOUT', 'CANCELLED', 'BUSY', 'NO_SPACE'])

interface Tally {
  done: number
  failed: number
  /** Handlers that are at work. */
  running: number
  wrong: string[]
}

function methodsOf(tally: Tally, random: SeededRandom, nap: (ms: number) => Promise<void>): WireMethods {
  return {
    echo: {
      async handle({ header, body, signal }) {
        tally.running += 1
        try {
          if (random.chance(0.2)) await nap(random.below(3_000))
          if (signal.aborted) throw signal.reason
          if (random.chance(0.1)) throw new ShoalError('NO_SPACE', 'The disk is full')
          if (random.chance(0.5)) return { header, body }
          return { header, body: [await readWhole(body)] }
        } finally {
          tally.running -= 1
        }
      },
    },
  }
}

async function callOnce({ peers, address }: SimulatedPair, random: SeededRandom, tally: Tally, at: number): Promise<void> {
  const bytes = Buffer.alloc(random.chance(0.3) ? random.below(400_000) : random.below(2_000), at)
  const abort = new AbortController()
  try {
    const options = { header: at, body: [bytes], deadlineMs: 500 + random.below(30_000), isIdempotent: random.chance(0.5) }
    const reply = await peers.call(address, 'echo', { ...options, signal: abort.signal })
    if (random.chance(0.1)) return reply.body.cancel()
    if (random.chance(0.1)) abort.abort()
    const back = await readWhole(reply.body)
    if (reply.header !== at || !back.equals(bytes))
      tally.wrong.push(`call ${at} came back as ${JSON.stringify(reply.header)} with ${back.length} bytes`)
    tally.done += 1
  } catch (error) {
    tally.failed += 1
    if (!isShoalError(error) || !EXPECTED.has(error.code)) tally.wrong.push(`call ${at}: ${String(error)}`)
  }
}

async function trouble({ network, pass }: SimulatedPair, random: SeededRandom): Promise<void> {
  const [from, to] = random.chance(0.5) ? ['atlantic', 'pacific'] : ['pacific', 'atlantic']
  const kind = random.below(3)
  if (kind === 0) return network.reset('atlantic')
  if (kind === 1) return
  network.cut(from as string, to as string)
  await pass(random.below(random.chance(0.2) ? 20_000 : 2_000))
  network.heal(from as string, to as string)
}

test('whatever the network does, each call ends with what was sent or an error, and nothing is left over', async () => {
  const total: Tally = { done: 0, failed: 0, running: 0, wrong: [] }
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const random = new SeededRandom(seed)
    const tally: Tally = { done: 0, failed: 0, running: 0, wrong: [] }
    let nap = async (_ms: number): Promise<void> => undefined
    const pair = await simulatePair(
      methodsOf(tally, random, (ms) => nap(ms)),
      { seed, delayMs: [0, random.below(40)] },
    )
    nap = (ms) => pair.clock.sleep(ms)
    const calls: Promise<void>[] = []
    for (let at = 0; at < CALLS; at += 1) {
      calls.push(callOnce(pair, random, tally, at))
      if (random.chance(0.3)) await pair.pass(random.below(300))
      if (random.chance(0.15)) await trouble(pair, random)
    }
    await pair.pass(60_000)
    await Promise.all(calls)
    assert.deepEqual(tally.wrong, [], `seed ${seed}`)
    assert.equal(tally.running, 0, `seed ${seed}: handlers are still at work`)
    await pair.pass(700_000)
    assert.equal(pair.network.openConnections, 0, `seed ${seed}: connections are left`)
    total.done += tally.done
    total.failed += tally.failed
  }
  assert.ok(total.done > SEEDS * 10 && total.failed > SEEDS, `${total.done} were done, ${total.failed} failed`)
})
