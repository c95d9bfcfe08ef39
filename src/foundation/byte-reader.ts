import type { ShoalError } from './errors.ts'

/** Reads what `ByteWriter` wrote, and only that: each value has one form, so that bytes which are accepted are the bytes that
 *  would be written. When the bytes aren't that, every method throws what `malformed` makes of the reason. */
export class ByteReader {
  readonly #bytes: Buffer
  readonly #malformed: (why: string) => ShoalError
  #at = 0

  constructor(bytes: Buffer, malformed: (why: string) => ShoalError) {
    this.#bytes = bytes
    this.#malformed = malformed
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  byte(max = 0xff): number {
    const value = this.#bytes[this.#at]
    if (value === undefined) throw this.#malformed('it ends too early')
    if (value > max) throw this.#malformed(`a byte is ${value}, more than ${max}`)
    this.#at += 1
    return value
  }

  /** @param max what is more is refused */
  number(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    let scale = 1
    for (let byte = this.byte(); ; byte = this.byte()) {
      value += (byte & 0x7f) * scale
      if (value > max) throw this.#malformed(`a number is more than ${max}`)
      if (byte < 0x80) {
        if (byte === 0 && scale > 1) throw this.#malformed('a number has zeros in front')
        return value
      }
      scale *= 0x80
      if (scale > Number.MAX_SAFE_INTEGER) throw this.#malformed('a number has too many bytes')
    }
  }

  signed64(): bigint {
    return this.raw(8).readBigInt64BE()
  }

  raw(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw this.#malformed('it ends too early')
    const part = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return part
  }

  bytes(max: number): Buffer {
    return this.raw(this.number(max))
  }

  text(): string {
    const bytes = this.raw(this.byte())
    if (bytes.some((byte) => byte > 0x7f)) throw this.#malformed('a text is not ASCII')
    return bytes.toString('latin1')
  }

  hex(digits: number): string {
    return this.raw(digits / 2).toString('hex')
  }

  /** So many times what `read` gives. */
  list<T>(max: number, read: () => T): T[] {
    // Not made in one go: a number that isn't true would take memory for nothing.
    const items: T[] = []
    for (let left = this.number(max); left > 0; left -= 1) items.push(read())
    return items
  }

  /** There must be nothing more. */
  end(): void {
    if (!this.isAtEnd) throw this.#malformed('there is something behind its end')
  }
}
