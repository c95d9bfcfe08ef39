/** How slow this node finds itself, from 0 (well) to a maximum: Lifeguard's local health multiplier (Dadgar, Phillips,
 *  Currey 2018: LHA-Probe). What a slow node believes about others is mostly about itself, so it gives them more time. */
export class LocalHealth {
  readonly #max: number
  #score = 0

  constructor(max: number) {
    this.#max = max
  }

  get score(): number {
    return this.#score
  }

  /** An answer came in time. */
  improve(): void {
    this.worsen(-1)
  }

  /** A probe failed, a helper said nothing, the node itself was suspected, or it stood still. */
  worsen(by = 1): void {
    this.#score = Math.min(this.#max, Math.max(0, this.#score + by))
  }

  /** `ms` as this node has to give them. */
  scale(ms: number): number {
    return ms * (1 + this.#score)
  }
}
