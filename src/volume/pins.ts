import type { UploadId } from '#foundation/ids.ts'

/** Counts who is using something, so that the collector leaves it alone. */
export class Pins {
  readonly #counts = new Map<string, number>()
  readonly #others: Pick<Pins, 'has'> | undefined

  /** `others` are somebody else's, who uses the same things. */
  constructor(others?: Pick<Pins, 'has'>) {
    this.#others = others
  }

  pin(key: string): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  unpin(key: string): void {
    const count = this.#counts.get(key) ?? 0
    if (count > 1) this.#counts.set(key, count - 1)
    else this.#counts.delete(key)
  }

  has(key: string): boolean {
    return this.#counts.has(key) || this.#others?.has(key) === true
  }
}

/** Names an upload session that is being committed, or that a stream is being written to: it doesn't expire. */
export function uploadPin(id: UploadId): string {
  return `upload ${id}`
}

/** Names the contents of a file among all volumes. */
export function contentPin(prefix: Buffer, content: Buffer): string {
  return `${prefix.toString('latin1')}${content.toString('latin1')}`
}
