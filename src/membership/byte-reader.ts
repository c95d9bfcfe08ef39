import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'

/** Reads what `ByteWriter` wrote, and only that: each value has one form, so that bytes which are accepted are the bytes
 *  that would be written. Every method throws INVALID_ARGUMENT when the bytes aren't that. */
export class ByteReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  byte(): number {
    const value = this.#bytes[this.#at]
    if (value === undefined) throw malformed('it ends too early')
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

  text(): string {
    const bytes = this.bytes(this.byte())
    if (bytes.some((byte) => byte > 0x7f)) throw malformed('a text is not ASCII')
    return bytes.toString('latin1')
  }

  id(): NodeId {
    return this.bytes(16).toString('hex') as NodeId
  }

  bytes(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw malformed('it ends too early')
    const part = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return part
  }

  /** @throws INVALID_ARGUMENT if there is more */
  end(): void {
    if (!this.isAtEnd) throw malformed('there is something behind its end')
  }
}

export function malformed(why: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `The gossip of a node can't be read: ${why}`)
}
