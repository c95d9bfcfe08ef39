// CRC-64/NVME as the NVM Express specification defines it: reflected, polynomial AD93D23594C93659, eight bytes a step.
// A 64-bit number is kept as two of 32 bits, since BigInt is a hundred times slower.

const POLYNOMIAL_HIGH = 0x9a6c9329
const POLYNOMIAL_LOW = 0xac4bc9b5
const SLICES = 8

/** For each of eight slices and each byte, the halves of what the byte does to the register from that far away. */
const high = new Uint32Array(SLICES * 256)
const low = new Uint32Array(SLICES * 256)
fillTables()

function fillTables(): void {
  for (let byte = 0; byte < 256; byte += 1) {
    let [top, bottom] = [0, byte]
    for (let bit = 0; bit < 8; bit += 1) {
      const isSet = (bottom & 1) !== 0
      bottom = ((bottom >>> 1) | (top << 31)) >>> 0
      top >>>= 1
      if (isSet) [top, bottom] = [(top ^ POLYNOMIAL_HIGH) >>> 0, (bottom ^ POLYNOMIAL_LOW) >>> 0]
    }
    high[byte] = top
    low[byte] = bottom
  }
  for (let at = 256; at < SLICES * 256; at += 1) {
    const [top, bottom] = [high[at - 256] as number, low[at - 256] as number]
    const byte = bottom & 0xff
    low[at] = ((bottom >>> 8) | (top << 24)) ^ (low[byte] as number)
    high[at] = (top >>> 8) ^ (high[byte] as number)
  }
}

export class Crc64Nvme {
  #high = 0xffffffff | 0
  #low = 0xffffffff | 0

  update(bytes: Uint8Array): void {
    let [top, bottom] = [this.#high, this.#low]
    let at = 0
    for (const end = bytes.length - 7; at < end; at += 8) {
      const a =
        bottom ^
        ((bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24))
      const b =
        top ^
        ((bytes[at + 4] as number) |
          ((bytes[at + 5] as number) << 8) |
          ((bytes[at + 6] as number) << 16) |
          ((bytes[at + 7] as number) << 24))
      const i0 = 0x700 | (a & 0xff)
      const i1 = 0x600 | ((a >>> 8) & 0xff)
      const i2 = 0x500 | ((a >>> 16) & 0xff)
      const i3 = 0x400 | (a >>> 24)
      const i4 = 0x300 | (b & 0xff)
      const i5 = 0x200 | ((b >>> 8) & 0xff)
      const i6 = 0x100 | ((b >>> 16) & 0xff)
      const i7 = b >>> 24
      bottom =
        (low[i0] as number) ^
        (low[i1] as number) ^
        (low[i2] as number) ^
        (low[i3] as number) ^
        (low[i4] as number) ^
        (low[i5] as number) ^
        (low[i6] as number) ^
        (low[i7] as number)
      top =
        (high[i0] as number) ^
        (high[i1] as number) ^
        (high[i2] as number) ^
        (high[i3] as number) ^
        (high[i4] as number) ^
        (high[i5] as number) ^
        (high[i6] as number) ^
        (high[i7] as number)
    }
    for (; at < bytes.length; at += 1) {
      const byte = (bottom ^ (bytes[at] as number)) & 0xff
      bottom = ((bottom >>> 8) | (top << 24)) ^ (low[byte] as number)
      top = (top >>> 8) ^ (high[byte] as number)
    }
    this.#high = top
    this.#low = bottom
  }

  /** Eight bytes, big-endian. */
  digest(): Buffer {
    const bytes = Buffer.alloc(8)
    bytes.writeInt32BE(~this.#high, 0)
    bytes.writeInt32BE(~this.#low, 4)
    return bytes
  }
}
