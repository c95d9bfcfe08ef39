/** What the windows of all bodies may have together beyond their first one. Who gets nothing goes on with what it has:
 *  a slow body never stops another. */
export class CreditPool {
  #freeBytes: number

  constructor(bytes: number) {
    this.#freeBytes = bytes
  }

  /** Whether `bytes` were free; then they are taken until `giveBack`. */
  take(bytes: number): boolean {
    if (bytes > this.#freeBytes) return false
    this.#freeBytes -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#freeBytes += bytes
  }
}
