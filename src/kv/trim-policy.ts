/** How much of the log is kept for replicas that are behind: the lesser of both. */
export interface TrimLimits {
  readonly entries: number
  readonly bytes: number
}

/** 10,000 entries are some minutes of full load, or days of little. etcd's own default limit is 2 GiB for all that it holds. */
export const TRIM_LIMITS: TrimLimits = { entries: 10_000, bytes: 256 * 1024 * 1024 }

/** Trimming is worth a call when so much of what is kept has become superfluous. */
const WORTHWHILE_SHARE = 1 / 8

/** Says which entries of the log may go. It knows the sizes of those that it was told of, which are the newest. */
export class TrimPolicy {
  readonly #limits: TrimLimits
  /** Of the kept entries, the oldest first, from `#from` on. */
  #sizes: number[] = []
  #from = 0
  #keptBytes = 0
  #last = 0
  /** Entries up to here are beyond the limits, as far as their sizes are known. */
  #superfluous = 0
  /** Everything up to here has been trimmed already. */
  #trimmed = 0
  #bytesSince = 0

  constructor(limits: TrimLimits = TRIM_LIMITS) {
    this.#limits = limits
  }

  /** Entry `index` has `bytes`. Entries are told of in order; one that is told of again doesn't count. */
  note(index: number, bytes: number): void {
    if (index <= this.#last) return
    const { entries, bytes: bytesMax } = this.#limits
    this.#last = index
    this.#sizes.push(bytes)
    this.#keptBytes += bytes
    this.#bytesSince += bytes
    while (this.#sizes.length - this.#from > entries || this.#keptBytes > bytesMax) {
      this.#keptBytes -= this.#sizes[this.#from] as number
      this.#from += 1
      this.#superfluous = index - (this.#sizes.length - this.#from)
    }
    if (this.#from <= entries) return
    this.#sizes = this.#sizes.slice(this.#from)
    this.#from = 0
  }

  /** Up to where the log is to be trimmed now, if that is worth a call. Entry `durable` stays, and all
   *  behind it: whoever restarts begins there. */
  due(durable: number): number | undefined {
    const { entries, bytes } = this.#limits
    const upTo = Math.min(durable - 1, Math.max(this.#superfluous, this.#last - entries))
    const isWorthIt = upTo - this.#trimmed >= entries * WORTHWHILE_SHARE || this.#bytesSince >= bytes * WORTHWHILE_SHARE
    return upTo > this.#trimmed && isWorthIt ? upTo : undefined
  }

  trimmed(upTo: number): void {
    this.#trimmed = upTo
    this.#bytesSince = 0
  }
}
