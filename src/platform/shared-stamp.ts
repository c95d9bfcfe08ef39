const UNDER_WAY = 0
const ENDED = 1

/** Counts the changes of something that one thread changes and others keep in memory, in memory that they share. Whoever keeps
 *  it compares the stamp from before it read with the one of now: while they are the same, what it keeps is what there is. */
export class SharedStamp {
  /** To be handed to another thread. */
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array

  constructor(memory = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#words = new Int32Array(memory)
  }

  /** `undefined` while a change is under way: what is kept may or may not be what there is. */
  get current(): number | undefined {
    return Atomics.load(this.#words, UNDER_WAY) === 0 ? Atomics.load(this.#words, ENDED) : undefined
  }

  /** Runs a change: it may be seen from its beginning on, and is by everyone before the promise resolves. */
  async change<T>(fn: () => Promise<T>): Promise<T> {
    Atomics.add(this.#words, UNDER_WAY, 1)
    try {
      return await fn()
    } finally {
      Atomics.add(this.#words, ENDED, 1)
      Atomics.sub(this.#words, UNDER_WAY, 1)
    }
  }
}
