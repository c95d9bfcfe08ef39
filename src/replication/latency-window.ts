/** Samples that the percentile is taken of: some seconds of a busy node. */
const SAMPLES = 256
/** Before there are so many, a percentile means nothing. */
const SAMPLES_MIN = 20
/** The percentile is taken anew after so many samples. */
const SAMPLES_PER_UPDATE = 16

/** The latest latencies of one kind of call, and their 95th percentile. */
export class LatencyWindow {
  readonly #samplesMs = new Float64Array(SAMPLES)
  #count = 0
  #p95Ms: number | undefined

  add(latencyMs: number): void {
    this.#samplesMs[this.#count % SAMPLES] = latencyMs
    this.#count += 1
    if (this.#count < SAMPLES_MIN || this.#count % SAMPLES_PER_UPDATE !== 0) return
    const sorted = this.#samplesMs.slice(0, Math.min(this.#count, SAMPLES)).sort()
    this.#p95Ms = sorted[Math.floor(sorted.length * 0.95)]
  }

  /** `undefined` until there are enough samples. */
  get p95Ms(): number | undefined {
    return this.#p95Ms
  }
}
