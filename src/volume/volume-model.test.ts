import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { openLmdbStore } from '#kv/lmdb.ts'
import { MemoryDisk, openMemoryStore } from '#kv/memory.ts'
import { leastFailing } from './least-failing.suite.ts'
import { type ModelStore, ModelRun } from './volume-model-run.suite.ts'
import { anyOperation, type Operation } from './volume-operations.suite.ts'

/** Steps of all runs together; SHOAL_MODEL_STEPS sets another number for a longer search, SHOAL_MODEL_SEED replays one. */
const STEPS_MEMORY = 8_000
const STEPS_LMDB = 2_000
const STEPS_PER_RUN = 500

function fromEnvironment(name: string, byDefault: number): number {
  const value = Number(process.env[name] ?? byDefault)
  if (!Number.isSafeInteger(value)) throw new Error(`${name} is "${process.env[name]}", which is not a whole number`)
  return value
}

async function compareWithModel(fresh: () => Promise<ModelStore>, stepsByDefault: number): Promise<void> {
  const steps = fromEnvironment('SHOAL_MODEL_STEPS', stepsByDefault)
  const firstSeed = fromEnvironment('SHOAL_MODEL_SEED', Math.floor(Math.random() * 2 ** 31))
  for (let run = 0; run * STEPS_PER_RUN < steps; run += 1) {
    const seed = firstSeed + run
    const operations = sample(seed)
    const failure = await failureOf(fresh, operations)
    if (failure === undefined) continue
    const least = await leastFailing(operations, async (fewer) => (await failureOf(fresh, fewer))?.kind === failure.kind)
    const shown = (await failureOf(fresh, least)) ?? failure
    throw new Error(
      `Replay with SHOAL_MODEL_SEED=${seed} SHOAL_MODEL_STEPS=1.\n${String(shown.error)}\nThe steps:\n${shown.trace.join('\n')}`,
      { cause: shown.error },
    )
  }
}

function sample(seed: number): Operation[] {
  return fc.sample(anyOperation({ reopen: true }), { numRuns: STEPS_PER_RUN, seed })
}

interface Failure {
  /** Where it went wrong, so that a shorter run that fails otherwise doesn't count as the same. */
  readonly kind: string
  readonly error: unknown
  readonly trace: readonly string[]
}

async function failureOf(fresh: () => Promise<ModelStore>, operations: readonly Operation[]): Promise<Failure | undefined> {
  const run = await ModelRun.start(await fresh())
  try {
    await run.run(operations, { compareEvery: 25 })
    await run.finish()
    return undefined
  } catch (error) {
    const frame = (error as Error).stack?.split('\n').find((line) => line.includes('.ts:'))
    return { kind: `${(error as Error).name} ${frame}`, error, trace: run.trace }
  }
}

test('random operations do to a volume what they do to a tree of objects, on the memory store', async () => {
  await compareWithModel(async () => {
    const disk = new MemoryDisk()
    return { open: () => openMemoryStore({ disk }) }
  }, STEPS_MEMORY)
})

test('random operations do to a volume what they do to a tree of objects, on LMDB', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-model-'))
  let runs = 0
  try {
    await compareWithModel(async () => {
      runs += 1
      const path = join(folder, String(runs))
      return { open: () => openLmdbStore({ path }) }
    }, STEPS_LMDB)
  } finally {
    await rm(folder, { recursive: true })
  }
})
