import type { ChunkStore } from '#chunk/store.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { type SmallChunk, TOGETHER_BYTES_MAX, TOGETHER_MAX } from './small-chunk-calls.ts'

export interface SmallChunkPushesOptions {
  readonly local: Pick<ChunkStore, 'read'>
  /** The other nodes where its class has the chunk; `undefined` if they can't be sent to as they are. */
  readonly targetsOf: (id: ChunkId, className: string) => readonly NodeId[] | undefined
  /** @returns for each whether it is durable there */
  readonly send: (node: NodeId, chunks: readonly SmallChunk[], signal: AbortSignal) => Promise<readonly boolean[]>
  /** Takes what can't go together, or was not taken. */
  readonly alone: (id: ChunkId, className: string) => void
  /** Whether the node takes so many writes that this is to give way. */
  readonly isBusy: () => boolean
  readonly clock: Pick<Clock, 'sleep'>
  readonly log: Log
}

/** Chunks that wait; of further ones the tracker makes the copies. */
const WAITING_MAX = 50_000
/** Bytes of them that are held; others are read from the disk again. */
const HELD_BYTES_MAX = 16 * 1024 * 1024
/** Between two calls while the node is busy: some 600 chunks a second go then, and the others when it is over. */
const GIVE_WAY_MS = 100

interface Waiting {
  readonly id: ChunkId
  readonly className: string
  readonly sizeBytes: number
  readonly bytes: Buffer | undefined
}

/** Brings small chunks that were written here where their class has them, many in one call to each node, after those who wrote them were answered: one
 *  by one they cost the node as much as all the rest of a write. */
export class SmallChunkPushes {
  readonly #options: SmallChunkPushesOptions
  #waiting: Waiting[] = []
  #heldBytes = 0
  #running: Promise<void> | undefined
  readonly #stopping = new AbortController()

  constructor(options: SmallChunkPushesOptions) {
    this.#options = options
  }

  /** Copies `bytes`, if at all. */
  offer(id: ChunkId, className: string, bytes: Uint8Array): void {
    if (this.#stopping.signal.aborted || this.#waiting.length >= WAITING_MAX) return
    const isHeld = this.#heldBytes + bytes.length <= HELD_BYTES_MAX
    if (isHeld) this.#heldBytes += bytes.length
    this.#waiting.push({ id, className, sizeBytes: bytes.length, bytes: isHeld ? Buffer.from(bytes) : undefined })
    this.#running ??= this.#run()
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { isBusy, clock } = this.#options
    const { signal } = this.#stopping
    // Those of the same moment go together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      if (isBusy()) await clock.sleep(GIVE_WAY_MS, signal).catch(() => undefined)
      if (signal.aborted) return
      await this.#push(this.#take())
    }
    this.#running = undefined
  }

  #take(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const { sizeBytes } of this.#waiting) {
      bytes += sizeBytes
      if (count === TOGETHER_MAX || (count > 0 && bytes > TOGETHER_BYTES_MAX)) break
      count += 1
    }
    return this.#waiting.splice(0, count)
  }

  async #push(batch: readonly Waiting[]): Promise<void> {
    const { targetsOf, alone } = this.#options
    const left = new Set(batch)
    const byNode = new Map<NodeId, { readonly one: Waiting; readonly chunk: SmallChunk }[]>()
    for (const one of batch) {
      const bytes = await this.#bytesOf(one)
      const targets = bytes === undefined ? undefined : targetsOf(one.id, one.className)
      if (bytes === undefined || targets === undefined) continue
      left.delete(one)
      for (const node of targets) byNode.set(node, [...(byNode.get(node) ?? []), { one, chunk: { id: one.id, bytes } }])
    }
    await Promise.all(
      [...byNode].map(async ([node, all]) => {
        const taken = await this.#send(
          node,
          all.map(({ chunk }) => chunk),
        )
        for (const [at, { one }] of all.entries()) if (taken[at] !== true) left.add(one)
      }),
    )
    for (const { bytes } of batch) if (bytes !== undefined) this.#heldBytes -= bytes.length
    for (const { id, className } of left) alone(id, className)
  }

  /** What is gone by now needs no copies. */
  async #bytesOf({ id, bytes }: Waiting): Promise<Buffer | undefined> {
    if (bytes !== undefined) return bytes
    try {
      return await this.#options.local.read(id)
    } catch (error) {
      if (!isShoalError(error)) throw error
      return undefined
    }
  }

  async #send(node: NodeId, chunks: readonly SmallChunk[]): Promise<readonly boolean[]> {
    const { send, log } = this.#options
    try {
      return await send(node, chunks, this.#stopping.signal)
    } catch (error) {
      if (!isShoalError(error)) throw error
      log.debug('chunks were not taken together', { node, code: error.code })
      return []
    }
  }
}
