import { Pins } from './pins.ts'

/** 256 KiB. With a thousand chunks being read the collector leaves one in sixty-five alone for no reason, until its next round. */
const SLOTS = 65_536

/** What threads that only read are using, in memory that they share with the one that writes: a count for each of many slots,
 *  of which a key has one. So `has` may be true of a key that nobody has pinned, never the other way round.
 *
 *  Whoever pins something and then reads that it is in use can rely on it: whoever lets go of it looks at the pins after it has
 *  made durable that it isn't, and the reader has looked for what is durable after it has pinned. */
export class SharedPins extends Pins {
  /** To be handed to another thread. */
  readonly memory: SharedArrayBuffer
  readonly #slots: Int32Array

  constructor(memory = new SharedArrayBuffer(SLOTS * Int32Array.BYTES_PER_ELEMENT)) {
    super()
    this.memory = memory
    this.#slots = new Int32Array(memory)
  }

  override pin(key: string): void {
    Atomics.add(this.#slots, slotOf(key), 1)
  }

  override unpin(key: string): void {
    Atomics.sub(this.#slots, slotOf(key), 1)
  }

  override has(key: string): boolean {
    return Atomics.load(this.#slots, slotOf(key)) > 0
  }
}

/** FNV-1a (Fowler, Noll, Vo), folded. */
function slotOf(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return ((hash >>> 16) ^ hash) & (SLOTS - 1)
}
