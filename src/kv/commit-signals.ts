const DURABLE = 0
const APPLIED = 1
const DIRECT_BEGUN = 2
const DIRECT_DONE = 3
const WORDS = 4

/** How far a journaled store has come, in memory that threads share: the writer sets it before it acknowledges anything, and
 *  who follows it looks before each read. */
export class CommitSignals {
  /** To be handed to another thread. */
  readonly memory: SharedArrayBuffer
  readonly #words: BigInt64Array

  constructor(memory = new SharedArrayBuffer(WORDS * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#words = new BigInt64Array(memory)
  }

  /** The number of the newest record that is durable in the journal; less than 0 as long as there is no journal. */
  get durable(): number {
    return this.#load(DURABLE) - 1
  }

  set durable(sequence: number) {
    this.#store(DURABLE, sequence + 1)
  }

  /** The base has everything up to the record of this number. */
  get applied(): number {
    return this.#load(APPLIED)
  }

  set applied(sequence: number) {
    this.#store(APPLIED, sequence)
  }

  /** How many commits have been put into the base past the journal, those that failed and the one under way included. When one
   *  begins, the base has all records. */
  get directBegun(): number {
    return this.#load(DIRECT_BEGUN)
  }

  /** How many of these have ended. */
  get directDone(): number {
    return this.#load(DIRECT_DONE)
  }

  beginDirect(): void {
    this.#store(DIRECT_BEGUN, this.directBegun + 1)
  }

  endDirect(): void {
    this.#store(DIRECT_DONE, this.directBegun)
  }

  #load(word: number): number {
    return Number(Atomics.load(this.#words, word))
  }

  #store(word: number, value: number): void {
    Atomics.store(this.#words, word, BigInt(value))
  }
}
