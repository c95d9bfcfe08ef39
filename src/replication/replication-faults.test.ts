import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { idOf, sampleBytes } from '#chunk/store.suite.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { ACKS, copiesToAcknowledge } from '#placement/class-policy.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import type { FakeNode } from './fake-cluster.suite.ts'
import { Fixture } from './replicated-fixture.suite.ts'

// Nodes crash and come back, lose their disks, slow down, refuse, damage copies, in the middle of writes and reads. At no moment do
// so many nodes lose copies that an acknowledged chunk may be gone: fewer than acknowledge a write, between two repairs.

const STEPS = 60
const COPIES = 3

class Run {
  readonly fixture: Fixture
  readonly #random: SeededRandom
  readonly #needed: number
  readonly #acknowledged = new Map<ChunkId, Buffer>()
  /** Nodes that have lost copies since everything was repaired. */
  readonly #harmed = new Set<FakeNode>()
  readonly #underWay = new Set<Promise<void>>()
  readonly counts = { acknowledged: 0, refused: 0, reads: 0, failedReads: 0 }
  #seed = 0

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    const ack = ACKS[this.#random.below(3)] ?? 'quorum'
    const count = 4 + this.#random.below(5)
    this.fixture = new Fixture({
      ack,
      count,
      zones: 1 + this.#random.below(count),
      copies: COPIES,
      limits: { readMs: 1_000, callMs: 500 },
    })
    this.#needed = copiesToAcknowledge({ copies: COPIES, ack })
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step += 1) {
      const kind = this.#random.below(10)
      if (kind < 3) this.#begin(this.#write())
      else if (kind < 6) this.#begin(this.#read())
      else this.#fault()
      await this.fixture.cluster.pass(10 * this.#random.below(12))
      if (this.#random.chance(0.05)) await this.#heal()
    }
    await this.#heal()
  }

  #begin(work: Promise<void>): void {
    const all = this.#underWay
    all.add(work)
    void work.finally(() => all.delete(work)).catch(() => {})
  }

  async #write(): Promise<void> {
    this.#seed += 1
    const bytes = sampleBytes(100 + this.#random.below(3_000), this.#seed)
    const id = idOf(bytes)
    const original = Buffer.from(bytes)
    try {
      await this.fixture.store.write(id, bytes)
      this.#acknowledged.set(id, original)
      this.counts.acknowledged += 1
      if (this.#random.chance(0.3)) await this.#strike(id)
    } catch (error) {
      assert.ok(isShoalError(error, 'UNAVAILABLE') || isShoalError(error, 'NO_SPACE'), String(error))
      this.counts.refused += 1
    }
    // The buffer is the caller's again, whatever has become of the write.
    bytes.fill(0)
  }

  async #read(): Promise<void> {
    const ids = [...this.#acknowledged.keys()]
    const id = ids[this.#random.below(ids.length)]
    if (id === undefined) return
    const bytes = this.#acknowledged.get(id) as Buffer
    const range = this.#random.chance(0.5) ? { offset: 10, length: this.#random.below(bytes.length - 10) } : undefined
    this.counts.reads += 1
    try {
      const read = await this.fixture.store.read(id, range)
      assert.ok(
        read.equals(range === undefined ? bytes : bytes.subarray(range.offset, range.offset + range.length)),
        'other bytes',
      )
    } catch (error) {
      // That nobody can be asked now is no loss; the wrong answer would be that the chunk is missing.
      assert.ok(isShoalError(error, 'UNAVAILABLE') || isShoalError(error, 'CORRUPT'), String(error))
      this.counts.failedReads += 1
    }
  }

  #fault(): void {
    const others = this.fixture.cluster.nodes.slice(1)
    const node = others[this.#random.below(others.length)] as FakeNode
    const kind = this.#random.below(6)
    if (kind === 0) node.isUp = this.#random.chance(0.3)
    else if (kind === 1) node.isThoughtHealthy = !node.isThoughtHealthy
    else if (kind === 2) node.delayMs = this.#random.below(800)
    else if (kind === 3) node.refusal = node.refusal === undefined ? 'NO_SPACE' : undefined
    else this.#harm(node, kind === 4)
  }

  /** Takes copies away, from fewer nodes than acknowledge a write. */
  #harm(node: FakeNode, isDiskLost: boolean): void {
    if (!this.#harmed.has(node) && this.#harmed.size + 1 >= this.#needed) return
    // What is being written now may count the copy that is lost here, and one that is harmed later.
    if (this.#underWay.size > 0 && this.#harmed.size > 0 && !this.#harmed.has(node)) return
    this.#harmed.add(node)
    if (isDiskLost) node.loseEverything()
    else for (const id of this.#acknowledged.keys()) if (this.#random.chance(0.5)) node.store.damaged.add(id)
  }

  /** The worst moment: right after an acknowledgement all copies but one are lost, and whoever has none yet dies. */
  async #strike(id: ChunkId): Promise<void> {
    if (this.#harmed.size > 0) return
    const { cluster } = this.fixture
    const durable = (await cluster.holdersOf(id)).map((node) => cluster.node(node))
    if (this.#harmed.size > 0) return
    for (const node of cluster.nodes.slice(1)) if (!durable.includes(node)) node.isUp = false
    for (const node of durable.slice(0, this.#needed - 1)) {
      this.#harmed.add(node)
      node.loseEverything()
    }
    assert.ok((await cluster.holdersOf(id)).length > 0, 'an acknowledged chunk is gone')
  }

  #mend(): void {
    for (const node of this.fixture.cluster.nodes) {
      node.isUp = node.isThoughtHealthy = true
      node.delayMs = 0
      node.refusal = undefined
    }
  }

  /** The faults stop, repairs are carried out: then every chunk has all its copies, and all of them are right. */
  async #heal(): Promise<void> {
    const { cluster, store, repairs, pair } = this.fixture
    this.#mend()
    await cluster.settle(Promise.all(this.#underWay))
    // What was under way may have struck once more.
    this.#mend()
    await cluster.pass(1_000)
    // What the disks lost in silence is found by whoever checks; what writes and reads noticed waits in the queue.
    const silent = [...this.#acknowledged.keys()]
    for (const id of silent) assert.equal(await cluster.settle(store.verify(id)), 'intact')
    await this.fixture.drainRepairs()
    assert.equal(repairs.size, 0)
    for (const [id, bytes] of this.#acknowledged) {
      for (const holder of pair.writers(id)) assert.ok((await cluster.node(holder).store.read(id)).equals(bytes))
      assert.equal((await cluster.settle(store.copies(id))).state, 'stored')
    }
    this.#harmed.clear()
  }
}

test('no acknowledged chunk is lost while fewer copies die than acknowledged it, and all get back to their copies when faults stop', async () => {
  const sums = { acknowledged: 0, refused: 0, reads: 0, failedReads: 0 }
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const run = new Run(seed)
      await run.run()
      for (const key of ['acknowledged', 'refused', 'reads', 'failedReads'] as const) sums[key] += run.counts[key]
    }),
    { numRuns: Number(process.env['SHOAL_SEEDS'] ?? 60) },
  )
  assert.ok(sums.acknowledged > 100 && sums.refused > 0 && sums.reads > 100 && sums.failedReads > 0, JSON.stringify(sums))
})

test('what a write leaves undone is in the repair queue: nobody else has to find it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(4), fc.nat(4), fc.integer({ min: 1, max: 20 }), async (slow, down, count) => {
      const fixture = new Fixture({ count: 6, limits: { writeMs: 2_000, replaceAfterMs: 500 } })
      ;(fixture.cluster.nodes[1 + slow] as FakeNode).delayMs = 10_000
      ;(fixture.cluster.nodes[1 + down] as FakeNode).isUp = false
      const chunks = Array.from({ length: count }, (_, seed) => sampleBytes(500, seed))
      await fixture.cluster.settle(Promise.all(chunks.map((bytes) => fixture.store.write(idOf(bytes), bytes))))
      await fixture.cluster.pass(3_000)
      for (const node of fixture.cluster.nodes) {
        node.isUp = true
        node.delayMs = 0
      }
      await fixture.drainRepairs()
      for (const bytes of chunks) {
        for (const holder of fixture.pair.writers(idOf(bytes))) assert.ok(await fixture.cluster.node(holder).has(idOf(bytes)))
      }
    }),
    { numRuns: 30 },
  )
})
