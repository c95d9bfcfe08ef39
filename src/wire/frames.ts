// The frames of the wire, described byte by byte in docs/formats/wire.md.

import { ShoalError } from '#foundation/errors.ts'
import { ERROR_BYTES_MAX, FRAME_BYTES_MAX, HEADER_BYTES_MAX, HELLO_BYTES_MAX, METHOD_BYTES_MAX } from './limits.ts'

export const HEAD_BYTES = 12

export const FRAME = {
  HELLO: 1,
  REQUEST: 2,
  ANSWER: 3,
  DATA: 4,
  END: 5,
  ERROR: 6,
  CANCEL: 7,
  WINDOW: 8,
  PING: 9,
  PONG: 10,
  GOODBYE: 11,
} as const

export type FrameType = (typeof FRAME)[keyof typeof FRAME]

/** Flags of REQUEST and ANSWER. */
export const HAS_BODY = 1
export const IS_BINARY = 2

/** What each type may be: lengths of the payload in bytes, flags that have a meaning, whether it belongs to a call. */
interface Shape {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly flags: number
  readonly call: 'always' | 'never' | 'either'
}

/** Deadline and length of the method's name. */
export const REQUEST_FIXED_BYTES = 5
const NO_FLAGS = 0

const SHAPES: Readonly<Record<FrameType, Shape>> = {
  [FRAME.HELLO]: { name: 'HELLO', min: 6, max: HELLO_BYTES_MAX, flags: NO_FLAGS, call: 'never' },
  [FRAME.REQUEST]: {
    name: 'REQUEST',
    min: REQUEST_FIXED_BYTES + 1,
    max: REQUEST_FIXED_BYTES + METHOD_BYTES_MAX + HEADER_BYTES_MAX,
    flags: HAS_BODY | IS_BINARY,
    call: 'always',
  },
  [FRAME.ANSWER]: { name: 'ANSWER', min: 0, max: HEADER_BYTES_MAX, flags: HAS_BODY | IS_BINARY, call: 'always' },
  [FRAME.DATA]: { name: 'DATA', min: 1, max: FRAME_BYTES_MAX, flags: NO_FLAGS, call: 'always' },
  [FRAME.END]: { name: 'END', min: 0, max: 0, flags: NO_FLAGS, call: 'always' },
  [FRAME.ERROR]: { name: 'ERROR', min: 2, max: ERROR_BYTES_MAX, flags: NO_FLAGS, call: 'either' },
  [FRAME.CANCEL]: { name: 'CANCEL', min: 0, max: 0, flags: NO_FLAGS, call: 'always' },
  [FRAME.WINDOW]: { name: 'WINDOW', min: 4, max: 4, flags: NO_FLAGS, call: 'always' },
  [FRAME.PING]: { name: 'PING', min: 8, max: 8, flags: NO_FLAGS, call: 'never' },
  [FRAME.PONG]: { name: 'PONG', min: 8, max: 8, flags: NO_FLAGS, call: 'never' },
  [FRAME.GOODBYE]: { name: 'GOODBYE', min: 0, max: 0, flags: NO_FLAGS, call: 'never' },
}

export interface Frame {
  readonly type: FrameType
  readonly flags: number
  /** 0 for what belongs to the connection. */
  readonly call: number
}

/** A frame's head. Unsigned, the most significant byte first. */
export function writeHead(target: Buffer, { type, flags, call }: Frame, payloadBytes: number): void {
  target.writeUInt32BE(payloadBytes, 0)
  target[4] = type
  target[5] = flags
  target.writeUInt16BE(0, 6)
  target.writeUInt32BE(call, 8)
}

/** A whole frame in one piece. For what is small: DATA goes out as a head and its bytes, uncopied. */
export function encodeFrame(frame: Frame, ...payload: readonly Uint8Array[]): Buffer {
  const payloadBytes = payload.reduce((sum, piece) => sum + piece.length, 0)
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + payloadBytes)
  writeHead(bytes, frame, payloadBytes)
  let at = HEAD_BYTES
  for (const piece of payload) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

export interface FrameEvents {
  /** A whole frame of any type but DATA. `payload` is a part of what was pushed where that had it whole. */
  frame(frame: Frame, payload: Buffer): void
  /** Bytes of a DATA frame, uncopied, as far as they have come; `isFirst` for the first ones of a frame. */
  data(call: number, bytes: Buffer, isFirst: boolean): void
}

/** Cuts a stream of bytes, which comes in pieces of any size, into frames. It holds back the head of a frame at most, and
 *  the payload of one that isn't DATA. The first frame must be a HELLO, or the ERROR that says why there is none.
 *
 *  `push` throws INVALID_ARGUMENT, with what is wrong, for bytes that are no frames: there is no way to go on then. */
export class FrameReader {
  readonly #events: FrameEvents
  readonly #head = Buffer.alloc(HEAD_BYTES)
  #headFilled = 0
  #frame: Frame | undefined
  /** Bytes of the payload that are still to come. */
  #left = 0
  #isFirst = false
  /** The part of the payload that has come, of a frame that isn't DATA. */
  #partial: Buffer | undefined
  #partialFilled = 0
  #isGreeted = false

  constructor(events: FrameEvents) {
    this.#events = events
  }

  push(piece: Buffer): void {
    let at = 0
    while (at < piece.length) {
      at = this.#frame === undefined ? this.#readHead(piece, at) : this.#readPayload(piece, at, this.#frame)
    }
  }

  #readHead(piece: Buffer, at: number): number {
    if (this.#headFilled === 0 && piece.length - at >= HEAD_BYTES) {
      this.#begin(piece, at)
      return at + HEAD_BYTES
    }
    const taken = Math.min(HEAD_BYTES - this.#headFilled, piece.length - at)
    piece.copy(this.#head, this.#headFilled, at, at + taken)
    this.#headFilled += taken
    if (this.#headFilled === HEAD_BYTES) {
      this.#headFilled = 0
      this.#begin(this.#head, 0)
    }
    return at + taken
  }

  #begin(head: Buffer, at: number): void {
    const payloadBytes = head.readUInt32BE(at)
    const frame = { type: head[at + 4] as FrameType, flags: head[at + 5] as number, call: head.readUInt32BE(at + 8) }
    if (!this.#isGreeted && frame.type !== FRAME.HELLO && (frame.type !== FRAME.ERROR || frame.call !== 0))
      throw violation('it does not begin with a HELLO')
    this.#isGreeted = true
    checkHead(frame, payloadBytes, head.readUInt16BE(at + 6))
    if (payloadBytes === 0) return this.#events.frame(frame, NO_BYTES)
    this.#frame = frame
    this.#left = payloadBytes
    this.#isFirst = true
  }

  #readPayload(piece: Buffer, at: number, frame: Frame): number {
    const taken = Math.min(this.#left, piece.length - at)
    const bytes = piece.subarray(at, at + taken)
    this.#left -= taken
    if (this.#left === 0) this.#frame = undefined
    if (frame.type === FRAME.DATA) {
      const isFirst = this.#isFirst
      this.#isFirst = false
      this.#events.data(frame.call, bytes, isFirst)
      return at + taken
    }
    if (this.#partial === undefined && this.#left === 0) {
      this.#events.frame(frame, bytes)
      return at + taken
    }
    this.#partial ??= Buffer.allocUnsafe(taken + this.#left)
    this.#partial.set(bytes, this.#partialFilled)
    this.#partialFilled += taken
    if (this.#left === 0) {
      const payload = this.#partial
      this.#partial = undefined
      this.#partialFilled = 0
      this.#events.frame(frame, payload)
    }
    return at + taken
  }
}

const NO_BYTES = Buffer.alloc(0)

function checkHead(frame: Frame, payloadBytes: number, reserved: number): void {
  const shape = SHAPES[frame.type] as Shape | undefined
  if (shape === undefined) throw violation(`there is no frame of type ${frame.type}`)
  if (payloadBytes < shape.min || payloadBytes > shape.max)
    throw violation(`a ${shape.name} has ${shape.min} to ${shape.max} bytes, not ${payloadBytes}`)
  if ((frame.flags & ~shape.flags) !== 0 || reserved !== 0) throw violation(`a ${shape.name} has flags without a meaning`)
  if (shape.call !== 'either' && (frame.call === 0) !== (shape.call === 'never'))
    throw violation(`a ${shape.name} belongs to ${shape.call === 'never' ? 'no call' : 'a call'}`)
}

/** What to throw when the other side sends what makes no sense: the connection can't go on. */
export function violation(why: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `The other side breaks the protocol between nodes: ${why}`)
}
