/** What a TLS server proves its name with. Both in PEM; `certificate` is a chain: the server's own first. */
export interface TlsPair {
  readonly certificate: string
  readonly key: string
}

/** The pair that servers show, and the way to give all of them another one while they run. */
export class TlsMaterial {
  #pair: TlsPair
  readonly #listeners = new Set<(pair: TlsPair) => void>()

  /** `pair` must have passed `inspectPair`. */
  constructor(pair: TlsPair) {
    this.#pair = pair
  }

  get pair(): TlsPair {
    return this.#pair
  }

  /** From now on handshakes use `pair`; connections that are open go on as they are. It must have passed `inspectPair`. */
  replace(pair: TlsPair): void {
    this.#pair = pair
    for (const listener of this.#listeners) listener(pair)
  }

  /** Calls `listener` at each replacement until the answered function is called. */
  watch(listener: (pair: TlsPair) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
