import { ShoalError } from '#foundation/errors.ts'

/** Reads what `FieldWriter` wrote. Each value has one form. Every method throws INVALID_ARGUMENT when the bytes aren't that. */
export class FieldReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  byte(max = 0xff): number {
    const value = this.#bytes[this.#at]
    if (value === undefined) throw malformed('it ends too early')
    if (value > max) throw malformed(`a byte is ${value}, more than ${max}`)
    this.#at += 1
    return value
  }

  /** @param max what is more is refused */
  number(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    let scale = 1
    for (let byte = this.byte(); ; byte = this.byte()) {
      value += (byte & 0x7f) * scale
      if (value > max) throw malformed(`a number is more than ${max}`)
      if (byte < 0x80) {
        if (byte === 0 && scale > 1) throw malformed('a number has zeros in front')
        return value
      }
      scale *= 0x80
      if (scale > Number.MAX_SAFE_INTEGER) throw malformed('a number has too many bytes')
    }
  }

  signed64(): bigint {
    return this.raw(8).readBigInt64BE()
  }

  raw(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw malformed('it ends too early')
    const part = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return part
  }

  bytes(max: number): Buffer {
    return this.raw(this.number(max))
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

  /** @throws INVALID_ARGUMENT if there is more */
  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed('there is something behind its end')
  }
}

export function malformed(why: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `Bytes of an eventual volume can't be read: ${why}`)
}
