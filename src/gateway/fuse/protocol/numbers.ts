// 64-bit fields of messages, as numbers. BigInt would cost more than all other decoding; no size or id of ours is above 2^53.
import { refusal } from './errno.ts'

const UPPER = 0x1_0000_0000

/** An unsigned 64-bit field that one of our answers had given, or a length. @throws EOVERFLOW above 2^53 - 1 */
export function readU64(message: Buffer, at: number): number {
  const value = message.readUInt32LE(at + 4) * UPPER + message.readUInt32LE(at)
  if (value > Number.MAX_SAFE_INTEGER) throw refusal('EOVERFLOW')
  return value
}

/** A signed 64-bit field. @throws EOVERFLOW beyond 2^53 - 1 on either side */
export function readI64(message: Buffer, at: number): number {
  const value = message.readInt32LE(at + 4) * UPPER + message.readUInt32LE(at)
  if (!Number.isSafeInteger(value)) throw refusal('EOVERFLOW')
  return value
}

/** `value` is an integer, negative ones in two's complement. */
export function write64(out: Buffer, value: number, at: number): void {
  // `>>> 0` takes the remainder of 2^32, also of negative numbers.
  out.writeUInt32LE(value >>> 0, at)
  out.writeUInt32LE(Math.floor(value / UPPER) >>> 0, at + 4)
}
