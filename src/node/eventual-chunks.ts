import type { ByteRange, ChunkStore } from '#chunk/store.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { ChunkPeers } from '#replication/peers.ts'
import type { ClassChunks } from '#volume/locations.ts'
import type { VolumeClasses } from '#volume/strong-volumes-options.ts'
import type { FetchedChunks } from './fetched-chunks.ts'
import { SMALL_BYTES_MAX } from './small-chunk-calls.ts'
import { SmallChunkPushes, type SmallChunkPushesOptions } from './small-chunk-pushes.ts'
import { withWrite } from './wrapped-stores.ts'

export interface EventualChunksOptions {
  readonly self: NodeId
  readonly local: ChunkStore
  readonly classes: Pick<VolumeClasses, 'chunksOf'>
  readonly peers: ChunkPeers
  /** Other nodes that run. */
  readonly running: () => readonly NodeId[]
  /** What is here only because it was read. */
  readonly fetched: Pick<FetchedChunks, 'note' | 'touch' | 'keep'>
  /** The other nodes where a class has a chunk, and how to hand them several. */
  readonly small: Pick<SmallChunkPushesOptions, 'targetsOf' | 'send' | 'isBusy' | 'clock'>
  readonly log: Log
}

/** Chunks that wait for their copies; of further ones the tracker makes them. */
const PUSHES_MAX = 10_000
const PUSHES_AT_ONCE = 4
/** Nodes asked for a chunk that is not where its class has it, and how long each has. */
const ASKED_MAX = 64
const ASK_MS = 10_000

/** The chunks of eventual volumes. What is written is on this node when the promise resolves, and then goes where the class has it. What is
 *  read comes from this node, else from those of the class, else from any that has it, and stays here for a while: `FetchedChunks` has the limit. */
export class EventualChunks {
  readonly #options: EventualChunksOptions
  readonly #waiting: { readonly id: ChunkId; readonly className: string }[] = []
  readonly #pushing = new Set<Promise<void>>()
  readonly #small: SmallChunkPushes
  #stopped = false

  constructor(options: EventualChunksOptions) {
    this.#options = options
    const { local, small, log } = options
    const alone = (id: ChunkId, className: string): void => this.#offer(id, className)
    this.#small = new SmallChunkPushes({ ...small, local, alone, log })
  }

  of(className: string): ClassChunks {
    const { local, classes } = this.#options
    const ofClass: ClassChunks = classes.chunksOf(className)
    const store = withWrite(local, async (id, bytes, checksums) => {
      await this.keep(id)
      await local.write(id, bytes, checksums)
      if (bytes.length > SMALL_BYTES_MAX) this.#offer(id, className)
      else if (this.#options.running().length > 0) this.#small.offer(id, className, bytes)
    })
    return {
      ...store,
      read: (id, range) => this.read(id, { className, range }),
      copies: async (id) => (await ofClass.copies?.(id)) ?? { state: undefined, copies: [] },
    }
  }

  /** @throws CHUNK_MISSING if no node that can be asked has it, UNAVAILABLE if one that can't be may */
  async read(
    id: ChunkId,
    { className, range }: { readonly className: string; readonly range?: ByteRange | undefined },
  ): Promise<Buffer> {
    const { local, fetched, log } = this.#options
    try {
      fetched.touch(id)
      return await local.read(id, range)
    } catch (error) {
      if (!isShoalError(error, 'CHUNK_MISSING') && !isShoalError(error, 'CORRUPT')) throw error
    }
    const bytes = await this.#fetch(id, className)
    try {
      await local.write(id, bytes)
      await fetched.note(id, { className, bytes: bytes.length })
    } catch (error) {
      log.warn('a chunk that was fetched could not be kept', { error })
    }
    return range === undefined ? bytes : bytes.subarray(range.offset, range.offset + range.length)
  }

  /** The chunk is to stay, also if it came here by being read. */
  keep(id: ChunkId): Promise<void> {
    return this.#options.fetched.keep(id)
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#waiting.length = 0
    await this.#small.stop()
    await Promise.all(this.#pushing)
  }

  async #fetch(id: ChunkId, className: string): Promise<Buffer> {
    const { classes, peers, running } = this.#options
    let last: unknown
    try {
      return await classes.chunksOf(className).read(id)
    } catch (error) {
      last = error
    }
    for (const node of running().slice(0, ASKED_MAX)) {
      try {
        return await peers.store(node).read(id, { range: undefined, signal: AbortSignal.timeout(ASK_MS) })
      } catch (error) {
        if (!isShoalError(error)) throw error
        if (error.code !== 'CHUNK_MISSING') last = error
      }
    }
    if (isShoalError(last, 'CHUNK_MISSING') || !isShoalError(last)) throw last
    throw new ShoalError('UNAVAILABLE', `No node that answers has chunk ${id}: ${last.message}`, { cause: last })
  }

  #offer(id: ChunkId, className: string): void {
    const { running } = this.#options
    if (this.#stopped || running().length === 0 || this.#waiting.length >= PUSHES_MAX) return
    this.#waiting.push({ id, className })
    if (this.#pushing.size >= PUSHES_AT_ONCE) return
    const pushing = this.#push().finally(() => this.#pushing.delete(pushing))
    this.#pushing.add(pushing)
  }

  async #push(): Promise<void> {
    const { local, classes, log } = this.#options
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        await classes.chunksOf(next.className).write(next.id, await local.read(next.id))
      } catch (error) {
        log.debug('a chunk was not copied, which is left to the tracker', { chunk: next.id, error })
      }
    }
  }
}
