import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CHUNK_BYTES, verifyWorker, VOLUME, Worker } from './mixed-load.ts'
import { freePort, type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { RestFiles } from './rest-files.ts'

export interface CrashOptions {
  readonly rounds: number
  readonly workers: number
  /** A round lives this long at most, under load. */
  readonly lifeMsMax: number
  readonly say: (line: string) => void
}

/** Kills a node at random moments under mixed load, starts it again, and checks everything; one data folder for all rounds. */
export async function runCrashRounds({
  rounds,
  workers: count,
  lifeMsMax,
  say,
}: CrashOptions): Promise<{ acknowledged: number }> {
  const data = await mkdtemp(join(tmpdir(), 'shoal-crash-'))
  const port = await freePort()
  const workers = Array.from({ length: count }, (_, index) => new Worker(`worker${index}`))
  // Garbage is collected all the time, with next to no grace, so that its steps are interrupted too.
  const environment = { SHOAL_GC_GRACE_MS: '100ms', SHOAL_GC_INTERVAL_MS: '1s' }
  let node: NodeProcess | undefined
  try {
    node = await startNodeProcess({ data, port, environment })
    await withRest(node, (rest) => rest.expect('PUT', `/volumes/${VOLUME}`, { chunkSizeBytes: CHUNK_BYTES }))
    for (let round = 1; round <= rounds; round += 1) {
      await loadAndKill(node, workers, Math.random() * lifeMsMax)
      const startedAtMs = performance.now()
      node = await startNodeProcess({ data, port, environment })
      const startMs = performance.now() - startedAtMs
      await withRest(node, (rest) => verify(rest, workers))
      const acknowledged = workers.reduce((sum, worker) => sum + worker.acknowledged, 0)
      say(
        `round ${round} of ${rounds}: ${acknowledged} operations acknowledged so far, all there; restart ${startMs.toFixed(0)} ms`,
      )
    }
    return { acknowledged: workers.reduce((sum, worker) => sum + worker.acknowledged, 0) }
  } finally {
    await node?.kill()
    await rm(data, { recursive: true, force: true })
  }
}

async function loadAndKill(node: NodeProcess, workers: readonly Worker[], lifeMs: number): Promise<void> {
  await withRest(node, async (rest) => {
    const failures: unknown[] = []
    let isDead = false
    const runs = workers.map((worker) =>
      worker.run(rest).catch((error: unknown) => {
        // Before the kill nothing may fail.
        if (!isDead) failures.push(error)
      }),
    )
    await delay(lifeMs)
    isDead = true
    await node.kill()
    await Promise.all(runs)
    if (failures.length > 0) throw new Error(`A call failed while the node lived:\n${node.log()}`, { cause: failures[0] })
  })
}

async function verify(rest: RestFiles, workers: readonly Worker[]): Promise<void> {
  await Promise.all(workers.map((worker) => verifyWorker(rest, worker)))
  const expected = workers.flatMap((worker) =>
    [...worker.states].flatMap(([path, state]) => (state === undefined ? [] : [`${path} ${state.length}`])),
  )
  const listed = (await rest.listAll(VOLUME))
    .filter(({ type }) => type !== 'directory')
    .map(({ path, size }) => `${path} ${size}`)
  const extra = listed.filter((line) => !expected.includes(line))
  const missing = expected.filter((line) => !listed.includes(line))
  if (extra.length + missing.length > 0)
    throw new Error(`The listing has ${JSON.stringify(extra)} too many and lacks ${JSON.stringify(missing)}`)
  const { clean, lines } = await rest.fsck(true)
  if (!clean) throw new Error(`fsck is not clean:\n${lines.join('\n')}`)
}

async function withRest<T>(node: NodeProcess, use: (rest: RestFiles) => Promise<T>): Promise<T> {
  const rest = new RestFiles(node.origin)
  try {
    return await use(rest)
  } finally {
    await rest.close()
  }
}
