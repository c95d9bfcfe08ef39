// The CRC of two runs of bytes one after another, from the CRCs of both and the length of the second: the first times
// x^(8 · length) modulo the polynomial, plus the second (Mark Adler's crc32_combine in zlib). Polynomials are reflected:
// the highest bit is x^0.

interface Field {
  readonly bits: number
  readonly polynomial: bigint
}

const FIELDS = {
  CRC32: { bits: 32, polynomial: 0xedb88320n },
  CRC32C: { bits: 32, polynomial: 0x82f63b78n },
  CRC64NVME: { bits: 64, polynomial: 0x9a6c9329ac4bc9b5n },
} as const satisfies Record<string, Field>

export type CombinableCrc = keyof typeof FIELDS

export interface CheckedRun {
  /** Big-endian. */
  readonly crc: Buffer
  readonly lengthBytes: number
}

/** The CRC of all runs one after another. */
export function combineCrcs(algorithm: CombinableCrc, runs: readonly CheckedRun[]): Buffer {
  const field = FIELDS[algorithm]
  const shifts = new Map<number, bigint>()
  let combined = 0n
  for (const { crc, lengthBytes } of runs) {
    // Parts of one upload mostly have one length.
    const shift = shifts.get(lengthBytes) ?? power(field, BigInt(lengthBytes) * 8n)
    shifts.set(lengthBytes, shift)
    combined = multiply(field, shift, combined) ^ BigInt(`0x${crc.toString('hex')}`)
  }
  return Buffer.from(combined.toString(16).padStart(field.bits / 4, '0'), 'hex')
}

function multiply({ bits, polynomial }: Field, a: bigint, b: bigint): bigint {
  let product = 0n
  for (let bit = 1n << BigInt(bits - 1); bit > 0n && b !== 0n; bit >>= 1n) {
    if ((a & bit) !== 0n) product ^= b
    b = (b & 1n) === 0n ? b >> 1n : (b >> 1n) ^ polynomial
  }
  return product
}

/** x to the power of `exponent`. */
function power(field: Field, exponent: bigint): bigint {
  const one = 1n << BigInt(field.bits - 1)
  let result = one
  let base = one >> 1n
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) !== 0n) result = multiply(field, base, result)
    base = multiply(field, base, base)
  }
  return result
}
