// Contents beside the entries: which chunks are on which node, what goes of them, and whether anything that was written is without its bytes.

import { createHash } from 'node:crypto'
import type { ChunkId } from '#foundation/ids.ts'
import { usedChunks } from './chunk-uses.ts'
import { decodeState } from './entry-codec.ts'
import type { EntryValue } from './entry.ts'
import { ENTRY_ROWS, kindRange } from './keys.ts'
import { EventualNamespace } from './namespace.ts'
import type { Replica } from './replica.ts'
import { settleLeft } from './settle-left.ts'
import { VOLUME, valueOf } from './simulation-history.suite.ts'
import { Simulation, type SimulationOptions } from './simulation.suite.ts'

export interface ContentsRun {
  readonly faults: readonly string[]
  readonly collected: number
}

export interface ContentsOptions extends SimulationOptions {
  readonly rounds?: number
  /** A planted defect: what a node has left counts as unused without a question to the others. */
  readonly asksNobody?: boolean
}

const LEFT_MS = 20_000
const GRACE_MS = 30_000
const CUT_MS = 90_000
const CONVERGE_MS = 300_000
const SETTLED_MS = 150_000
const CHUNKS = 300

/** Writes, copies, renames and removals of files with chunks on nodes that crash and are cut off, while all of them collect what they don't use. */
export async function runContents(options: ContentsOptions): Promise<ContentsRun> {
  const timing = { exchangeIntervalMs: 1000, tidyIntervalMs: 3000, reportIntervalMsPerMember: 0 }
  const simulation = await Simulation.start({ clockErrorMs: 3_600_000, commitMsMax: 4, leftMs: LEFT_MS, timing, ...options })
  const contents = new Contents(simulation, options.asksNobody === true)
  const { random } = simulation
  const faults: string[] = []
  let healsAtMs = 0
  for (let round = 0; round < (options.rounds ?? 200); round += 1) {
    const index = random.below(simulation.nodes.length)
    void contents.change(index)
    void contents.collect(random.below(simulation.nodes.length))
    if (simulation.nowMs >= healsAtMs) {
      simulation.cuts = () => false
      if (random.chance(0.05)) {
        const [alone, isOneAlone] = [random.below(simulation.nodes.length), random.chance(0.7)]
        const side = simulation.nodes.map((_, at) => (isOneAlone ? Number(at === alone) : random.below(2)))
        simulation.cuts = (from, to) => side[from] !== side[to]
        healsAtMs = simulation.nowMs + random.below(CUT_MS)
      }
    }
    if (random.chance(0.03) && simulation.running().length > 2 && simulation.nodes[index]!.life !== undefined)
      simulation.crash(index)
    else if (simulation.nodes[index]!.life === undefined) await simulation.boot(index)
    await simulation.run(random.below(1500))
    if (round % 10 === 0) faults.push(...(await contents.lost()))
  }
  simulation.cuts = () => false
  for (const [index, { life }] of simulation.nodes.entries()) if (life === undefined) await simulation.boot(index)
  const convergedMs = await simulation.runUntil(() => simulation.isConverged(), CONVERGE_MS, 200)
  if (convergedMs >= CONVERGE_MS) faults.push('the nodes do not agree')
  faults.push(...(await contents.lost()))
  for (let passedMs = 0; passedMs < SETTLED_MS; passedMs += 5000) {
    for (const index of simulation.nodes.keys()) void contents.collect(index)
    await simulation.run(5000)
  }
  faults.push(...(await contents.lost()), ...(await contents.garbage()))
  return { faults, collected: contents.collected }
}

class Contents {
  readonly #simulation: Simulation
  readonly #asksNobody: boolean
  /** By node: its chunks, and when each was touched. */
  readonly #stores: Map<ChunkId, number>[]
  readonly #busy = new Set<number>()
  collected = 0

  constructor(simulation: Simulation, asksNobody: boolean) {
    this.#simulation = simulation
    this.#asksNobody = asksNobody
    this.#stores = simulation.nodes.map(() => new Map())
  }

  /** One change of a client's. What fails is as if nobody had wanted it. */
  async change(index: number): Promise<void> {
    const { random } = this.#simulation
    const replica = this.#simulation.nodes[index]!.life?.replica
    if (replica === undefined) return
    const docs = new EventualNamespace(replica, VOLUME)
    const [path, other] = [`f${random.below(12)}`, `f${random.below(12)}`]
    const drawn = random.fraction()
    try {
      if (drawn < 0.4) await this.#write(index, docs, path)
      else if (drawn < 0.6) await this.#copy(docs, path, other)
      else if (drawn < 0.8) await docs.rename(path, other, { replace: true })
      else await docs.remove(path)
    } catch {
      // There is nothing at the path, or the node is gone.
    }
  }

  /** What a node does for its space. */
  async collect(index: number): Promise<void> {
    const replica = this.#simulation.nodes[index]!.life?.replica
    if (replica === undefined || this.#busy.has(index)) return
    this.#busy.add(index)
    try {
      if (this.#asksNobody) await forgetLeft(replica)
      else await settleLeft(replica, { peers: this.#simulation.peersOf(index) })
      await this.#forget(replica, this.#stores[index]!)
    } catch {
      // The node is gone.
    } finally {
      this.#busy.delete(index)
    }
  }

  /** Versions without their bytes anywhere, as sentences. */
  async lost(): Promise<string[]> {
    const faults: string[] = []
    for (const [index, { replica }] of this.#simulation.running().entries())
      for (const [chunk, path] of await chunksOf(replica))
        if (!this.#stores.some((store) => store.has(chunk))) faults.push(`node ${index} shows ${path}, whose bytes are nowhere`)
    return faults
  }

  /** Chunks that take space and that no version has. */
  async garbage(): Promise<string[]> {
    const used = new Map<ChunkId, string>()
    for (const { replica } of this.#simulation.running())
      for (const [chunk, path] of await chunksOf(replica)) used.set(chunk, path)
    return this.#stores.flatMap((store, index) =>
      [...store.keys()]
        .filter((chunk) => !used.has(chunk))
        .map((chunk) => `node ${index} keeps ${chunk.slice(0, 8)}, for nobody`),
    )
  }

  /** The bytes are on the node first, then its entry, then they go to two others, if these can be reached. */
  async #write(index: number, docs: EventualNamespace, path: string): Promise<void> {
    const { random, nodes, clock } = this.#simulation
    const seed = random.below(CHUNKS)
    const chunk = createHash('sha256').update(`chunk ${seed}`).digest('hex') as ChunkId
    this.#touch(index, chunk)
    await docs.put(path, withChunk(chunk))
    await clock.sleep(random.below(200))
    for (const holder of [seed % nodes.length, (seed + 1) % nodes.length])
      if (!this.#simulation.cuts(index, holder) && nodes[holder]!.life !== undefined) this.#touch(holder, chunk)
  }

  /** No bytes move: the new entry has the same chunks as the old one. */
  async #copy(docs: EventualNamespace, source: string, target: string): Promise<void> {
    const found = await docs.stat(source)
    if (found === undefined) return
    await this.#simulation.clock.sleep(this.#simulation.random.below(500))
    await docs.put(target, found.value)
  }

  #touch(index: number, chunk: ChunkId): void {
    this.#stores[index]!.set(chunk, this.#simulation.nowMs)
  }

  /** As the tracker does it, which has heard of less than this node or of more. */
  async #forget(replica: Replica, store: Map<ChunkId, number>): Promise<void> {
    const beforeMs = this.#simulation.nowMs - GRACE_MS
    for (const [chunk, touchedMs] of store) {
      if (touchedMs >= beforeMs) continue
      const isUsed = (await usedChunks(replica, [chunk])).has(chunk)
      if (isUsed || (store.get(chunk) ?? 0) >= beforeMs) continue
      store.delete(chunk)
      this.collected += 1
    }
  }
}

function withChunk(chunk: ChunkId): EntryValue {
  return { ...valueOf(''), sizeBytes: 5000, content: { kind: 'chunks', extents: [{ chunk, lengthBytes: 5000 }] } }
}

/** The chunks of all versions that a node has, each with a path. */
async function chunksOf({ store }: Replica): Promise<Map<ChunkId, string>> {
  const chunks = new Map<ChunkId, string>()
  for await (const { key, value } of store.range(ENTRY_ROWS))
    for (const version of decodeState(value).versions)
      if (version.value?.content.kind === 'chunks')
        for (const { chunk } of version.value.content.extents) chunks.set(chunk, key.toString('latin1', 2))
  return chunks
}

async function forgetLeft({ store }: Replica): Promise<void> {
  await store.transact((transaction) => {
    for (const { key } of [...transaction.range(kindRange('l'))]) transaction.delete(key)
  })
}
