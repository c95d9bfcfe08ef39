import { chunkMissing } from '#chunk/arguments.ts'
import type { ByteRange } from '#chunk/store.ts'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import type { Alarms } from './alarms.ts'
import { asShoalError } from './as-shoal-error.ts'
import type { Strangers } from './copy-search.ts'
import { isIntact } from './holder.ts'
import { limitedCall } from './limited-call.ts'
import type { ChunkPeers } from './peers.ts'
import type { ReadTiming } from './read-timing.ts'

/** Why what is still under way is stopped; made once, because errors are costly to make. */
const OVER = new ShoalError('CANCELLED', 'The read is over')

export interface ReplicatedReadOptions {
  readonly id: ChunkId
  readonly range: ByteRange | undefined
  readonly into: Buffer | undefined
  /** The nodes to read from, the best first. */
  readonly sources: readonly NodeId[]
  /** Asked for more nodes that have the chunk when no source has given it. */
  readonly search: () => Promise<Strangers>
  readonly peers: ChunkPeers
  readonly clock: Clock
  readonly alarms: Alarms
  readonly timing: ReadTiming
  readonly digests: Pick<Digests, 'sha256'>
  /** A node that takes longer is given up. */
  readonly readMs: number
}

/** One read of a chunk that several nodes have. Asks one node, another one too when that takes longer than most reads, and the
 *  next at once when one fails: the first good answer counts. */
export class ReplicatedRead {
  /** What each node that failed failed with. */
  readonly failures = new Map<NodeId, ShoalError>()
  hedges = 0
  hasSucceeded = false
  readonly #options: ReplicatedReadOptions
  readonly #waiting: NodeId[]
  /** Of the attempts that are under way. */
  readonly #ends = new Set<AbortController>()
  #callOffHedge: () => void = () => {}
  #underWay = 0
  #isOver = false
  #hasSearched = false
  #resolve: (bytes: Buffer) => void = () => {}
  #reject: (error: unknown) => void = () => {}

  constructor(options: ReplicatedReadOptions) {
    this.#options = options
    this.#waiting = [...options.sources]
  }

  /** @throws CHUNK_MISSING if every source says so, CORRUPT, UNAVAILABLE, INVALID_ARGUMENT */
  run(): Promise<Buffer> {
    const { timing, range } = this.#options
    timing.countRead()
    const answer = new Promise<Buffer>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#hedgeAfter(timing.hedgeAfterMs(range?.length))
    this.#next()
    return answer
  }

  /** Begins with the next source, or searches for more, or gives up. */
  #next(): void {
    const node = this.#waiting.shift()
    if (node !== undefined) this.#guard(this.#attempt(node))
    else if (this.#underWay > 0) return
    else if (this.#hasSearched) this.#fail(this.#failure())
    else this.#guard(this.#search())
  }

  /** A failure that is no ShoalError is a defect: whoever waits gets it. */
  #guard(work: Promise<void>): void {
    work.catch((defect: unknown) => this.#fail(defect))
  }

  async #search(): Promise<void> {
    this.#hasSearched = true
    const { found, silent } = await this.#options.search()
    this.#waiting.push(...found.map(({ node }) => node))
    for (const node of silent) this.failures.set(node, new ShoalError('UNAVAILABLE', `Node ${node} could not be asked`))
    this.#next()
  }

  async #attempt(node: NodeId): Promise<void> {
    const { clock, timing, range } = this.#options
    const beganMs = clock.monotonicMs()
    this.#underWay += 1
    timing.began(node)
    let bytes: Buffer | undefined
    try {
      bytes = await this.#within(node)
    } catch (error) {
      this.failures.set(node, asShoalError(error))
    }
    this.#underWay -= 1
    // One that lost the race was stopped by us: how long it took says nothing.
    const latencyMs = bytes === undefined || this.#isOver ? undefined : clock.monotonicMs() - beganMs
    timing.ended(node, { latencyMs, lengthBytes: range?.length })
    if (this.#isOver) return
    if (bytes !== undefined) this.#succeed(bytes)
    else if (isShoalError(this.failures.get(node), 'INVALID_ARGUMENT')) this.#fail(this.failures.get(node))
    else this.#next()
  }

  /** This node's own store has as long as it takes: it may write to the caller's buffer until then. */
  async #within(node: NodeId): Promise<Buffer> {
    const { alarms, readMs, peers } = this.#options
    const end = new AbortController()
    if (node === peers.self) return this.#readFrom(node, end.signal)
    this.#ends.add(end)
    try {
      return await limitedCall({ alarms, limitMs: readMs, end }, (signal) => this.#readFrom(node, signal))
    } finally {
      this.#ends.delete(end)
    }
  }

  async #readFrom(node: NodeId, signal: AbortSignal): Promise<Buffer> {
    const { id, range, into, peers, digests } = this.#options
    // Here the store has compared checksums; what came over a wire is compared with its name.
    if (node === peers.self) return peers.store(node).read(id, { range, into, signal })
    const bytes = await peers.store(node).read(id, { range, signal })
    if (range === undefined && !(await isIntact(digests, id, bytes))) {
      throw new ShoalError('CORRUPT', `Node ${node} has sent other bytes than those of chunk ${id}`)
    }
    if (range !== undefined && bytes.length !== range.length) {
      throw new ShoalError('CORRUPT', `Node ${node} has sent ${bytes.length} bytes of chunk ${id} instead of ${range.length}`)
    }
    return bytes
  }

  #hedgeAfter(delayMs: number): void {
    const { alarms, timing, into, peers, sources } = this.#options
    // The buffer would be written to by the slower one after the caller has got the faster one's answer.
    if (into !== undefined && sources[0] === peers.self) return
    this.#callOffHedge = alarms.set(delayMs, () => {
      if (this.#waiting.length === 0 || !timing.takeHedge()) return
      this.hedges += 1
      this.#next()
    })
  }

  #succeed(bytes: Buffer): void {
    this.hasSucceeded = true
    this.#end()
    this.#resolve(bytes)
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    this.#end()
    this.#reject(error)
  }

  #end(): void {
    this.#isOver = true
    this.#callOffHedge()
    for (const end of this.#ends) end.abort(OVER)
  }

  #failure(): ShoalError {
    const { id } = this.#options
    const failures = [...this.failures]
    if (failures.every(([, error]) => error.code === 'CHUNK_MISSING')) return chunkMissing(id)
    const corrupt = failures.find(([, error]) => error.code === 'CORRUPT')
    if (corrupt !== undefined && failures.every(([, { code }]) => code === 'CORRUPT' || code === 'CHUNK_MISSING'))
      return corrupt[1]
    const reasons = failures.map(([node, error]) => `${node}: ${error.code}`).join(', ')
    return new ShoalError('UNAVAILABLE', `No node can give chunk ${id} now: ${reasons}`, {
      details: { chunk: id },
      cause: failures.at(-1)?.[1],
    })
  }
}
