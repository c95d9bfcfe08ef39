import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Alarms } from './alarms.ts'
import { asShoalError } from './as-shoal-error.ts'
import type { CopyTargets } from './copy-targets.ts'
import type { ChunkPeers } from './peers.ts'

/** Why what is still under way is stopped; made once, because errors are costly to make. */
const OVER = new ShoalError('CANCELLED', 'The write is over')

export interface WriteLimits {
  /** A node that hasn't said anything for so long is replaced, while the write isn't acknowledged. */
  readonly replaceAfterMs: number
  /** How long a write takes at most; also the copies that come after the acknowledgement have no longer. */
  readonly writeMs: number
}

export interface ReplicatedWriteOptions {
  readonly id: ChunkId
  readonly bytes: Uint8Array
  /** As in `ChunkStore.write`. */
  readonly checksums: Buffer | undefined
  readonly targets: CopyTargets
  /** How many copies must be durable. */
  readonly needed: number
  readonly peers: ChunkPeers
  readonly alarms: Alarms
  readonly limits: WriteLimits
}

/** One write of a chunk to several nodes. The first node forwards to the others; what it fails to do is done from here. */
export class ReplicatedWrite {
  /** Resolves when enough copies are durable. @throws NO_SPACE if no node has room, UNAVAILABLE, CORRUPT */
  readonly acknowledged: Promise<void>
  /** Resolves when nothing is under way any more, whether the write was acknowledged or not. */
  readonly settled: Promise<void>
  readonly durable = new Set<NodeId>()
  /** The nodes that may still get a copy. */
  readonly pending = new Set<NodeId>()
  readonly #options: ReplicatedWriteOptions
  readonly #failures = new Map<NodeId, ShoalError>()
  readonly #stalled = new Set<NodeId>()
  readonly #stop = new AbortController()
  /** The writes of this node's own store: they read the bytes until they end. */
  readonly #here: Promise<void>[] = []
  readonly #everywhere: Promise<void>[] = []
  readonly #callOffs: (() => void)[] = []
  #streams = 0
  #isAcknowledged = false
  #isOver = false
  #acknowledge: () => void = () => {}
  #refuse: (error: unknown) => void = () => {}
  #settle: () => void = () => {}

  constructor(options: ReplicatedWriteOptions) {
    this.#options = options
    this.acknowledged = new Promise((resolve, reject) => {
      this.#acknowledge = resolve
      this.#refuse = reject
    })
    this.settled = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  get isAcknowledged(): boolean {
    return this.#isAcknowledged
  }

  /** Resolves when this node's own store doesn't need the bytes any more. */
  get leftHere(): Promise<unknown> {
    return Promise.all(this.#here)
  }

  /** Once `settled`: resolves with whether every node that was to have a copy has told that it is durable, and nobody reads the bytes any more. */
  async isComplete(): Promise<boolean> {
    await Promise.all(this.#everywhere)
    return this.#isAcknowledged && this.#failures.size === 0 && this.#stalled.size === 0
  }

  start(): void {
    const { peers, targets, limits } = this.#options
    const first = [...targets.first]
    const primary = first.includes(peers.self) ? peers.self : first[0]
    if (primary === undefined) return this.#finish()
    this.#after(limits.writeMs, () => this.giveUp())
    this.#launch(
      primary,
      first.filter((node) => node !== primary),
    )
  }

  /** Gives up whatever is still under way. */
  giveUp(): void {
    for (const node of this.pending) {
      this.#failures.set(node, new ShoalError('UNAVAILABLE', `Node ${node} took too long`))
    }
    this.pending.clear()
    this.#finish()
  }

  #launch(node: NodeId, forward: readonly NodeId[]): void {
    const told = [node, ...forward]
    for (const each of told) this.pending.add(each)
    this.#after(this.#options.limits.replaceAfterMs, () => this.#replaceStalled(told))
    // A failure that is no ShoalError is a defect, and ends the write for whoever waits for it.
    this.#streams += 1
    const run = this.#run(node, forward).catch((defect: unknown) => {
      this.#refuse(defect)
      this.giveUp()
    })
    this.#everywhere.push(run)
    if (node === this.#options.peers.self) this.#here.push(run)
  }

  async #run(node: NodeId, forward: readonly NodeId[]): Promise<void> {
    const { id, bytes, checksums, peers } = this.#options
    const untold = new Set([node, ...forward])
    let broken: ShoalError | undefined
    try {
      for await (const outcome of peers.store(node).write(id, bytes, { forward, checksums, signal: this.#stop.signal })) {
        if (!untold.delete(outcome.node)) continue
        if (outcome.error === undefined) this.#succeeded(outcome.node)
        else this.#failed(outcome.node, outcome.error)
      }
    } catch (error) {
      broken = asShoalError(error)
    } finally {
      this.#streams -= 1
    }
    if (this.#isOver) return
    // What the primary didn't do, the next one does: a copy that is there already costs nothing.
    const [next, ...others] = [...untold].filter((each) => each !== node && this.pending.has(each))
    if (next !== undefined) this.#launch(next, others)
    if (!untold.has(node)) return
    this.#failed(node, broken ?? new ShoalError('UNAVAILABLE', `Node ${node} didn't say what became of chunk ${id}`))
  }

  #succeeded(node: NodeId): void {
    if (this.#isOver) return
    this.durable.add(node)
    this.pending.delete(node)
    if (this.durable.size >= this.#options.needed) {
      this.#isAcknowledged = true
      this.#acknowledge()
    }
    if (this.pending.size === 0) this.#finish()
  }

  #failed(node: NodeId, error: ShoalError): void {
    if (!this.pending.delete(node)) return
    this.#failures.set(node, error)
    this.#replace()
    if (this.pending.size === 0) this.#finish()
  }

  #replaceStalled(nodes: readonly NodeId[]): void {
    for (const node of nodes) {
      if (!this.pending.has(node) || this.#stalled.has(node)) continue
      this.#stalled.add(node)
      this.#replace()
    }
  }

  /** Sends to one node more, unless enough are on their way. After the acknowledgement it is the repair queue's. */
  #replace(): void {
    if (this.#isAcknowledged) return
    const { targets } = this.#options
    const hopeful = [...this.durable, ...[...this.pending].filter((node) => !this.#stalled.has(node))]
    if (hopeful.length >= targets.first.length) return
    let next = targets.take(hopeful)
    // One that is being sent to already may come up again, as a holder that was thought to be down.
    while (next !== undefined && (this.pending.has(next) || this.durable.has(next))) next = targets.take(hopeful)
    if (next !== undefined) this.#launch(next, [])
  }

  #after(delayMs: number, act: () => void): void {
    this.#callOffs.push(this.#options.alarms.set(delayMs, act))
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const callOff of this.#callOffs) callOff()
    if (this.#streams > 0) this.#stop.abort(OVER)
    if (!this.#isAcknowledged) this.#refuse(this.#failure())
    this.#settle()
  }

  #failure(): ShoalError {
    const { id, needed } = this.#options
    const failures = [...this.#failures]
    const cause = failures.at(-1)?.[1]
    if (this.durable.size === 0 && failures.length > 0 && failures.every(([, error]) => error.code === 'NO_SPACE')) {
      return new ShoalError('NO_SPACE', `No node has room for chunk ${id}`, { cause })
    }
    const reasons = failures.map(([node, error]) => `${node}: ${error.code}`).join(', ')
    return new ShoalError(
      'UNAVAILABLE',
      `Chunk ${id} has ${this.durable.size} durable copies and needs ${needed} to be acknowledged: ${reasons || 'no node is there to take one'}`,
      { details: { chunk: id, durable: this.durable.size, needed }, cause },
    )
  }
}
