import type { BlockMemory } from './block-memory.ts'

const BYTES_MAX = 32 * 1024 * 1024
const BLOCKS_MAX = 20_000

/** Blocks that are kept in memory, since the kernel asks for parts of them one after another: so much, and so many short ones. The least
 *  recently used go first. */
export class RecentBlocks {
  readonly #room: BlockMemory
  readonly #blocks = new Map<string, Buffer>()
  #bytes = 0

  /** What is kept is held in `room`. */
  constructor(room: BlockMemory) {
    this.#room = room
  }

  get(name: string): Buffer | undefined {
    return this.#blocks.get(name)
  }

  remember(name: string, bytes: Buffer): void {
    this.#room.hold(bytes)
    this.forget(name)
    this.#bytes += bytes.length
    this.#blocks.set(name, bytes)
    for (const oldest of this.#blocks.keys()) {
      if (this.#bytes <= BYTES_MAX && this.#blocks.size <= BLOCKS_MAX) return
      this.forget(oldest)
    }
  }

  forget(name: string): void {
    const bytes = this.#blocks.get(name)
    if (bytes === undefined) return
    this.#bytes -= bytes.length
    this.#blocks.delete(name)
    this.#room.drop(bytes)
  }
}
