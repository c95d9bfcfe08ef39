import { FuseError } from './errno.ts'
import { type Feature, FEATURES } from './opcodes.ts'

/** The protocol spoken here. */
export const PROTOCOL_MAJOR = 7
export const PROTOCOL_MINOR = 45
/** Linux 5.4. What came before lacks lengths that are relied upon. */
const PROTOCOL_MINOR_MIN = 31
const INIT_REPLY_BYTES = 64
const PAGE_BYTES = 4096
/** Requests up to 1 MiB: 256 pages. The kernel takes no more. */
export const WRITE_BYTES_MAX = 1024 * 1024
/** The first 32 bits of INIT's request, in the message. */
const INIT_BODY_BYTES_MIN = 56

/** What a session would like of the kernel. */
export interface Wishes {
  readonly features: ReadonlySet<Feature>
  /** Of one READ or WRITE: a multiple of 4,096, 1 MiB at most. */
  readonly requestBytesMax: number
  /** As far as the kernel may read ahead. It asks for what it is set to at that moment, and takes the lesser of both later on. */
  readonly readAheadBytes: number
  /** Of requests that no process waits for (read-ahead, write-back). */
  readonly backgroundMax: number
  /** With PASSTHROUGH: how many file systems may lie below, 1 or 2. */
  readonly stackDepthMax: number
}

/** What was agreed upon. */
export interface Terms {
  readonly minor: number
  readonly features: ReadonlySet<Feature>
}

export interface Negotiation {
  /** `undefined`: the kernel is to begin anew, with our major version. */
  readonly terms: Terms | undefined
  /** The answer's body. */
  readonly reply: Buffer
}

/** Answers INIT. @throws FuseError EPROTO for a kernel that is too old */
export function negotiate(body: Buffer, wishes: Wishes): Negotiation {
  if (body.length < INIT_BODY_BYTES_MIN) throw new FuseError('EPROTO')
  const major = body.readUInt32LE(40)
  const minor = body.readUInt32LE(44)
  const reply = Buffer.alloc(INIT_REPLY_BYTES)
  reply.writeUInt32LE(PROTOCOL_MAJOR, 0)
  reply.writeUInt32LE(PROTOCOL_MINOR, 4)
  if (major > PROTOCOL_MAJOR) return { terms: undefined, reply }
  if (major < PROTOCOL_MAJOR || minor < PROTOCOL_MINOR_MIN) throw new FuseError('EPROTO')
  const features = agreed(body, wishes)
  reply.writeUInt32LE(Math.max(body.readUInt32LE(48), wishes.readAheadBytes), 8)
  reply.writeUInt32LE(bits(features, 0), 12)
  reply.writeUInt16LE(wishes.backgroundMax, 16)
  reply.writeUInt16LE(Math.ceil((wishes.backgroundMax * 3) / 4), 18)
  reply.writeUInt32LE(wishes.requestBytesMax, 20)
  // Times are kept to the nanosecond.
  reply.writeUInt32LE(1, 24)
  reply.writeUInt16LE(wishes.requestBytesMax / PAGE_BYTES, 28)
  reply.writeUInt32LE(bits(features, 32), 32)
  reply.writeUInt32LE(features.has('PASSTHROUGH') ? wishes.stackDepthMax : 0, 36)
  return { terms: { minor: Math.min(minor, PROTOCOL_MINOR), features }, reply }
}

function agreed(body: Buffer, wishes: Wishes): ReadonlySet<Feature> {
  const low = body.readUInt32LE(52)
  const hasHigh = (low & (1 << FEATURES.INIT_EXT)) !== 0 && body.length >= INIT_BODY_BYTES_MIN + 4
  const high = hasHigh ? body.readUInt32LE(56) : 0
  const offered = (feature: Feature): boolean => {
    const bit = FEATURES[feature]
    return ((bit < 32 ? low >>> bit : high >>> (bit - 32)) & 1) === 1
  }
  const features = new Set([...wishes.features, ...(hasHigh ? (['INIT_EXT'] as const) : [])].filter(offered))
  // Both want to decide where written bytes go (the kernel refuses the pair).
  if (features.has('WRITEBACK_CACHE')) features.delete('PASSTHROUGH')
  return features
}

function bits(features: ReadonlySet<Feature>, from: 0 | 32): number {
  let value = 0
  for (const feature of features) {
    const bit = FEATURES[feature] - from
    if (bit >= 0 && bit < 32) value |= 1 << bit
  }
  return value >>> 0
}
