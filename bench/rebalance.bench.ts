// npm run bench rebalance [MIB_PER_SECOND] [SECONDS]: what clients are left with while a rebalance runs, and what it takes. Three nodes
// as processes of this machine, with three copies of files of 8 MiB, and a fourth that joins them and is to get its share. Clients write and
// read files of 100 KB over REST at the first three, one after the other each. Measured in turn: without a rebalance, with one that
// has a budget, without again, and with one that has none.
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { TrackerBudget } from '#client/wire.ts'
import { ProcessCluster, until } from '../test/cluster/process-cluster.ts'

const MIB = 1024 * 1024
const BUDGET_BYTES = Number(process.argv[2] ?? 10) * MIB
const WINDOW_MS = Number(process.argv[3] ?? 12) * 1_000
const FILES = 100
const FILE_BYTES = 8 * MIB
const WRITERS = 4
const READERS = 4
const SMALL_FILES = 200
const SMALL_BYTES = 100_000
const VOLUME = 'moved'

interface Rates {
  readonly seconds: number
  readonly putsPerSecond: number
  readonly getsPerSecond: number
  /** What the rebalance copied. */
  readonly bytesPerSecond: number
}

const cluster = await ProcessCluster.start({ nodes: 3, mode: 'cluster' })
let written = 0
try {
  await cluster.client(0).createVolume(VOLUME)
  for (let file = 0; file < FILES; file += 1)
    await cluster.client(file % 3).writeSmallFile(VOLUME, `large-${file}`, randomBytes(FILE_BYTES))
  for (let file = 0; file < SMALL_FILES; file += 1) await put(file % 3)
  const { tracker } = cluster.client(0)
  // Two walks would compete, and it is this one that is measured.
  await tracker.pause()
  await cluster.join()
  await cluster.healthy()
  const phases: readonly (readonly [string, TrackerBudget | undefined])[] = [
    ['none', undefined],
    [`with a budget of ${BUDGET_BYTES / MIB} MiB/s`, { bytesPerSecond: BUDGET_BYTES }],
    ['none', undefined],
    ['without a budget', {}],
  ]
  for (const [what, budget] of phases) {
    if (budget === undefined) {
      await tracker.pause()
      await delay(2_000)
    } else {
      await tracker.run('rebalance', { budget })
      await tracker.resume('rebalance')
      const before = (await rebalance()).copiedBytes
      await until('bytes are copied', async () => (await rebalance()).copiedBytes !== before, 30_000)
    }
    const { putsPerSecond, getsPerSecond, bytesPerSecond: taken, seconds } = await measure()
    console.log(
      `rebalance: ${what}: ${putsPerSecond} PUTs/s, ${getsPerSecond} GETs/s; ${(taken / MIB).toFixed(1)} MiB/s copied in ${seconds.toFixed(1)} s`,
    )
  }
} finally {
  await cluster.dispose()
}

/** Ends early when the rebalance does. */
async function measure(): Promise<Rates> {
  let [puts, gets, copied] = [0, 0, 0]
  let isOver = false
  let before = await rebalance()
  const { isRunning } = before
  const beganMs = performance.now()
  const lanes = [
    ...Array.from({ length: WRITERS }, async (_, lane) => {
      for (; !isOver; puts += 1) await put(lane % 3)
    }),
    ...Array.from({ length: READERS }, async (_, lane) => {
      for (; !isOver; gets += 1)
        await cluster.client(lane % 3).readSmallFile(VOLUME, `small-${Math.floor(Math.random() * SMALL_FILES)}`)
    }),
  ]
  while (performance.now() - beganMs < WINDOW_MS && before.isRunning === isRunning) {
    await delay(250)
    const now = await rebalance()
    // A new walk counts from the beginning.
    copied += Math.max(0, now.copiedBytes - before.copiedBytes)
    before = now
  }
  const seconds = (performance.now() - beganMs) / 1_000
  const rates = { putsPerSecond: Math.round(puts / seconds), getsPerSecond: Math.round(gets / seconds), seconds }
  isOver = true
  await Promise.all(lanes)
  return { ...rates, bytesPerSecond: copied / seconds }
}

async function put(at: number): Promise<void> {
  written += 1
  await cluster.client(at).writeSmallFile(VOLUME, `small-${written - 1}`, randomBytes(SMALL_BYTES))
}

async function rebalance(): Promise<{ readonly copiedBytes: number; readonly isRunning: boolean }> {
  const { tasks } = await cluster.client(0).tracker.status()
  const task = tasks.find(({ task: name }) => name === 'rebalance')
  return { copiedBytes: task?.counters['copiedBytes'] ?? 0, isRunning: task?.activity === 'running' }
}
