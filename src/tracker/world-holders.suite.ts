import type { ChunkInfo, ChunkUsage } from '#chunk/store.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { CopyHealth, CopyOptions, Holders, ListOptions, RemoveOptions } from './ports.ts'
import type { TrackerWorld } from './tracker-world.suite.ts'

/** The calls to the nodes of a world: each may take its time, fail, or be the last one of a leader. */
export class WorldHolders implements Holders {
  readonly #world: TrackerWorld

  constructor(world: TrackerWorld) {
    this.#world = world
  }

  async list(node: NodeId, { from, limit, signal }: ListOptions): Promise<readonly ChunkInfo[]> {
    await this.#arrive('list', node, signal)
    const ids = [...this.#world.node(node).chunks.keys()].filter((id) => from === undefined || id >= from).toSorted()
    return ids.slice(0, limit).map((id) => this.#info(node, id) as ChunkInfo)
  }

  async locate(node: NodeId, id: ChunkId, signal: AbortSignal): Promise<ChunkInfo | undefined> {
    await this.#arrive('locate', node, signal)
    return this.#info(node, id)
  }

  async verify(node: NodeId, id: ChunkId, signal: AbortSignal): Promise<CopyHealth> {
    await this.#arrive('verify', node, signal, id)
    const copy = this.#world.node(node).chunks.get(id)
    return copy === undefined ? 'missing' : copy.isIntact ? 'intact' : 'corrupt'
  }

  async copy(id: ChunkId, { from, to, signal }: CopyOptions): Promise<boolean> {
    await this.#arrive('copy', to, signal, id)
    const source = this.#world.nodes.get(from)
    const copy = source?.chunks.get(id)
    if (source?.isUp !== true || copy?.isIntact !== true) return false
    const there = this.#world.node(to).chunks.get(id)
    // As a disk that nobody has read the chunk of yet: it takes what it has for good.
    const { isFull, state, frozenAtMs } = this.#world.node(to)
    if (isFull) throw new ShoalError('NO_SPACE', `Node ${to} is full`)
    // What is under way when that is decided may still come.
    const isFrozen = state === 'readonly' && this.#world.clock.nowMs() - frozenAtMs > 30_000
    if (isFrozen) this.#world.violations.push(`node ${to} is readonly, and has got a copy`)
    if (there === undefined) this.#world.put(to, id, copy.sizeBytes)
    else there.touchedAtMs = this.#world.clock.nowMs()
    return true
  }

  async remove(node: NodeId, id: ChunkId, { untouchedSinceMs, signal }: RemoveOptions): Promise<boolean> {
    await this.#arrive('remove', node, signal, id)
    const copy = this.#world.node(node).chunks.get(id)
    if (copy === undefined || copy.touchedAtMs >= untouchedSinceMs) return false
    this.#world.checkRemoval(id, copy)
    this.#world.node(node).chunks.delete(id)
    return true
  }

  async usage(node: NodeId, signal: AbortSignal): Promise<ChunkUsage> {
    await this.#arrive('usage', node, signal)
    const copies = [...this.#world.node(node).chunks.values()]
    const liveBytes = copies.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    return { chunks: copies.length, liveBytes, storedBytes: liveBytes, capacityBytes: undefined, freeBytes: undefined }
  }

  #info(node: NodeId, id: ChunkId): ChunkInfo | undefined {
    const copy = this.#world.node(node).chunks.get(id)
    return copy === undefined ? undefined : { id, sizeBytes: copy.sizeBytes, touchedAtMs: copy.touchedAtMs }
  }

  async #arrive(kind: keyof Holders, node: NodeId, signal: AbortSignal, chunk?: ChunkId): Promise<void> {
    const world = this.#world
    signal.throwIfAborted()
    const sizes = chunk === undefined ? [] : world.list.map(({ chunks }) => chunks.get(chunk)?.sizeBytes ?? 0)
    const bytes = kind === 'copy' || kind === 'verify' ? Math.max(0, ...sizes) : 0
    world.calls.push({ atMs: world.clock.monotonicMs(), kind, node, bytes, ...(chunk === undefined ? {} : { chunk }) })
    world.callsUntilCrash -= 1
    if (world.callsUntilCrash === 0) void world.changeLeader()
    if (world.delayMsMax > 0) await world.clock.sleep(world.random.below(world.delayMsMax), signal)
    const isLost = world.random.chance(world.failureRate)
    if (isLost || world.nodes.get(node)?.isUp !== true) throw new ShoalError('UNAVAILABLE', `Node ${node} does not answer`)
  }
}
