/** Randomness, as everything else in Shoal gets to see it. */
export interface Random {
  /** `length` unpredictable bytes. */
  bytes(length: number): Buffer
  /** A number in [0, 1). */
  fraction(): number
}
