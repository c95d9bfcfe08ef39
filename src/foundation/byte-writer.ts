/** Appends numbers, names and bytes to a buffer that grows: the values of docs/formats/gossip.md and
 *  docs/formats/eventual-messages.md. */
export class ByteWriter {
  #buffer: Buffer
  #length = 0

  constructor(expectedBytes = 256) {
    this.#buffer = Buffer.allocUnsafe(expectedBytes)
  }

  get length(): number {
    return this.#length
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#length] = value
    this.#length += 1
  }

  /** A whole number up to 2^53 - 1: seven bits a byte, the lowest first, the top bit set in all but the last. */
  number(value: number): void {
    this.#reserve(8)
    let rest = value
    while (rest > 0x7f) {
      this.#buffer[this.#length] = (rest % 0x80) | 0x80
      this.#length += 1
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#length] = rest
    this.#length += 1
  }

  /** 64 bits with a sign, big-endian. */
  signed64(value: bigint): void {
    this.#reserve(8)
    this.#length = this.#buffer.writeBigInt64BE(value, this.#length)
  }

  /** Bytes whose number the reader knows. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#buffer.set(value, this.#length)
    this.#length += value.length
  }

  /** Their number, then the bytes. */
  bytes(value: Uint8Array): void {
    this.number(value.length)
    this.raw(value)
  }

  /** At most 255 characters of ASCII, their number first. */
  text(value: string): void {
    this.#reserve(1 + value.length)
    this.#buffer[this.#length] = value.length
    this.#length += 1 + this.#buffer.write(value, this.#length + 1, 'latin1')
  }

  /** An even number of hexadecimal digits, which the reader knows. */
  hex(value: string): void {
    this.#reserve(value.length / 2)
    this.#length += this.#buffer.write(value, this.#length, 'hex')
  }

  /** What was written. The writer must not be used afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#length + more, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}
