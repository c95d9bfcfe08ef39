import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { openDiskChunkStore } from './disk.ts'
import type { DiskChunkStore } from './disk.ts'
import { idOf, sampleBytes } from './store.suite.ts'

/** Replay one round with `SHOAL_SEED=17`, or ask for more than the usual number with `SHOAL_SEEDS=1000`. */
const only = Number(process.env['SHOAL_SEED'] ?? 0)
const SEEDS = only > 0 ? [only] : Array.from({ length: Number(process.env['SHOAL_SEEDS'] ?? 40) }, (_, index) => index + 1)
const LIVES = 4
const OPERATIONS = 40
/** Small ones mostly, some with several blocks, a few in files of their own. */
const SIZES = [10, 200, 1_000, 5_000, 20_000, 70_000, 140_000, 263_000]

const CHUNKS = SIZES.flatMap((size) => [1, 2, 3, 4].map((seed) => sampleBytes(size + seed, seed)))
const IDS = CHUNKS.map(idOf)

/** What may be there: a change that was not acknowledged may have happened or not. */
type Expectation = 'present' | 'absent' | 'either'

class Life {
  readonly #store: DiskChunkStore
  readonly #expected: Map<ChunkId, Expectation>
  readonly #random: SeededRandom

  constructor(store: DiskChunkStore, expected: Map<ChunkId, Expectation>, random: SeededRandom) {
    this.#store = store
    this.#expected = expected
    this.#random = random
  }

  /** Does random things, several at a time and each chunk by one of them, until all are done or have failed. */
  async run(): Promise<void> {
    const lanes = [0, 1, 2, 3]
    await Promise.all(
      lanes.map(async (lane) => {
        for (let count = 0; count < OPERATIONS / lanes.length; count += 1) await this.#act(lane, lanes.length)
      }),
    )
  }

  async #act(lane: number, lanes: number): Promise<void> {
    const index = this.#random.below(CHUNKS.length / lanes) * lanes + lane
    const id = IDS[index] as ChunkId
    const before = this.#expected.get(id) ?? 'absent'
    const dice = this.#random.fraction()
    if (dice < 0.55) {
      this.#expected.set(id, before === 'present' ? 'present' : 'either')
      if (await succeeds(this.#store.write(id, CHUNKS[index] as Buffer))) this.#expected.set(id, 'present')
    } else if (dice < 0.8) {
      this.#expected.set(id, before === 'absent' ? 'absent' : 'either')
      if (await succeeds(this.#store.forget(id))) this.#expected.set(id, 'absent')
    } else if (dice < 0.9) {
      await succeeds(this.#store.compact({ budgetBytes: 1 + this.#random.below(100_000), maxLiveShare: 0.9 }))
    } else if (before === 'present') {
      await this.#store.read(id).then(
        (bytes) => assert.ok(bytes.equals(CHUNKS[index] as Buffer)),
        (error: unknown) => assert.ok(isShoalError(error, 'STORAGE_FAILED') || String(error).includes('(EIO)'), String(error)),
      )
    }
  }
}

async function succeeds(promise: Promise<unknown>): Promise<boolean> {
  try {
    await promise
    return true
  } catch (error) {
    assert.ok(isShoalError(error, 'STORAGE_FAILED') || isShoalError(error, 'UNAVAILABLE'), String(error))
    return false
  }
}

/** Compares the store with what must be there, and notes down what turned out to be. */
async function check(store: DiskChunkStore, expected: Map<ChunkId, Expectation>): Promise<void> {
  let liveBytes = 0
  const present: ChunkId[] = []
  for (const [index, id] of IDS.entries()) {
    const expectation = expected.get(id) ?? 'absent'
    const found = await store.locate(id)
    if (expectation === 'present')
      assert.ok(found !== undefined, `acknowledged chunk ${index} (${SIZES[index >> 2]} bytes) is lost`)
    if (expectation === 'absent') assert.ok(found === undefined, `forgotten chunk ${index} (${SIZES[index >> 2]} bytes) is back`)
    expected.set(id, found === undefined ? 'absent' : 'present')
    if (found === undefined) continue
    assert.ok((await store.read(id)).equals(CHUNKS[index] as Buffer))
    assert.equal(await store.verify(id), 'intact')
    liveBytes += found.sizeBytes
    present.push(id)
  }
  const usage = await store.usage()
  assert.deepEqual({ chunks: usage.chunks, liveBytes: usage.liveBytes }, { chunks: present.length, liveBytes })
  const listed: ChunkId[] = []
  for await (const { id } of store.list()) listed.push(id)
  assert.deepEqual(listed, present.toSorted())
}

async function livesOf(seed: number): Promise<{ crashes: number; packs: number }> {
  const random = new SeededRandom(seed)
  const files = new MemoryFiles({ seed })
  const clock = new ManualClock()
  const expected = new Map<ChunkId, Expectation>()
  const open = (): Promise<DiskChunkStore> =>
    openDiskChunkStore({ path: '/c', files, digests: nodeDigests, clock, random, packBytes: 150_000 })
  let crashes = 0
  for (let life = 0; life < LIVES; life += 1) {
    files.cutPowerAfter(life === 0 ? 270 + random.below(120) : random.below(120))
    const store = await open().catch((error: unknown) => {
      assert.ok(isShoalError(error, 'STORAGE_FAILED'), String(error))
    })
    if (store !== undefined) {
      await new Life(store, expected, random).run()
      await succeeds(store.close())
    }
    if (files.powerIsCut) crashes += 1
    files.crash()
    // Without its checkpoint, the index comes from the packs alone.
    if (random.chance(0.3)) await files.remove('/c/packs.index').catch(() => false)
    const reopened = await open()
    await check(reopened, expected)
    await reopened.close()
  }
  return { crashes, packs: (await files.list('/c/packs'))?.length ?? 0 }
}

test(`after a power loss at a random moment every acknowledged chunk is there, and every forgotten one is not (${SEEDS.length} seeds)`, async () => {
  let crashes = 0
  let packs = 0
  for (const seed of SEEDS) {
    try {
      const result = await livesOf(seed)
      crashes += result.crashes
      packs = Math.max(packs, result.packs)
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
    }
  }
  if (only === 0) {
    assert.ok(crashes > SEEDS.length, `only ${crashes} crashes: the test doesn't test`)
    assert.ok(packs > 1, 'there was never a second pack')
  }
})
