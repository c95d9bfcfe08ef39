// What is inside the frames. Decoding throws INVALID_ARGUMENT (`violation`) for everything that makes no sense.

import { ShoalError, isErrorCode } from '#foundation/errors.ts'
import type { ErrorCode, ErrorDetails, RetryClass } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { FRAME, HAS_BODY, IS_BINARY, REQUEST_FIXED_BYTES, encodeFrame, violation } from './frames.ts'
import { ERROR_BYTES_MAX, HEADER_BYTES_MAX, METHOD_BYTES_MAX } from './limits.ts'

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined }

/** What a request or an answer says before its body: bytes, or whatever JSON can say. At most 64 KiB. */
export type WireHeader = Uint8Array | JsonValue

/** What each side says first. This frame keeps its form in every version, so that any two can tell each other apart. */
export interface Hello {
  /** The versions of the protocol that it speaks, both ends included. */
  readonly versions: { readonly min: number; readonly max: number }
  readonly clusterId: string
  readonly nodeId: NodeId
  /** The version of Shoal; for people. */
  readonly software: string
}

export interface Request {
  readonly method: string
  readonly header: WireHeader
  readonly hasBody: boolean
  /** Time left, from the arrival on. */
  readonly deadlineMs: number
}

export interface Answer {
  readonly header: WireHeader
  readonly hasBody: boolean
}

const MAGIC = Buffer.from('SHWI')
const SOFTWARE_CHARACTERS_MAX = 64
const DEADLINE_MS_MAX = 0xffff_ffff
const MESSAGE_CHARACTERS_MAX = 4_096

export function encodeHello({ versions, clusterId, nodeId, software }: Hello): Buffer {
  const text = JSON.stringify({ versions: [versions.min, versions.max], clusterId, nodeId, software })
  return encodeFrame({ type: FRAME.HELLO, flags: 0, call: 0 }, MAGIC, Buffer.from(text))
}

export function decodeHello(payload: Buffer): Hello {
  if (!payload.subarray(0, MAGIC.length).equals(MAGIC)) throw violation('its HELLO is none of Shoal')
  const { versions, clusterId, nodeId, software } = parseObject(payload.subarray(MAGIC.length), 'HELLO')
  const [min, max] = Array.isArray(versions) ? versions : []
  if (!isVersion(min) || !isVersion(max) || min > max) throw violation('its HELLO has no range of versions')
  if (!isId(clusterId) || !isId(nodeId)) throw violation('its HELLO names no cluster and node')
  if (typeof software !== 'string' || software.length > SOFTWARE_CHARACTERS_MAX) throw violation('its HELLO names no software')
  return { versions: { min, max }, clusterId, nodeId: nodeId as NodeId, software }
}

/** @throws INVALID_ARGUMENT for a method that can't be one; TOO_LARGE for the header */
export function encodeRequest(call: number, { method, header, hasBody, deadlineMs }: Request): Buffer {
  if (!isMethod(method)) throw new ShoalError('INVALID_ARGUMENT', `"${method}" can't be the name of a method between nodes`)
  const fixed = Buffer.allocUnsafe(REQUEST_FIXED_BYTES + method.length)
  fixed.writeUInt32BE(Math.min(DEADLINE_MS_MAX, Math.max(0, Math.floor(deadlineMs))), 0)
  fixed[4] = method.length
  fixed.write(method, REQUEST_FIXED_BYTES, 'latin1')
  const { bytes, flags } = encodeHeader(header)
  return encodeFrame({ type: FRAME.REQUEST, flags: flags | (hasBody ? HAS_BODY : 0), call }, fixed, bytes)
}

export function decodeRequest(flags: number, payload: Buffer): Request {
  const methodEnd = REQUEST_FIXED_BYTES + (payload[4] as number)
  const method = payload.toString('latin1', REQUEST_FIXED_BYTES, methodEnd)
  if (methodEnd > payload.length || !isMethod(method)) throw violation('a REQUEST names no method')
  const header = decodeHeader(flags, payload.subarray(methodEnd))
  return { method, header, hasBody: (flags & HAS_BODY) !== 0, deadlineMs: payload.readUInt32BE(0) }
}

/** @throws TOO_LARGE for the header */
export function encodeAnswer(call: number, { header, hasBody }: Answer): Buffer {
  const { bytes, flags } = encodeHeader(header)
  return encodeFrame({ type: FRAME.ANSWER, flags: flags | (hasBody ? HAS_BODY : 0), call }, bytes)
}

export function decodeAnswer(flags: number, payload: Buffer): Answer {
  return { header: decodeHeader(flags, payload), hasBody: (flags & HAS_BODY) !== 0 }
}

/** `call` 0 fails the connection. */
export function encodeError(call: number, error: ShoalError): Buffer {
  return encodeFrame({ type: FRAME.ERROR, flags: 0, call }, Buffer.from(JSON.stringify(errorFields(error))))
}

/** What an ERROR says. A message that is long is cut, and details that don't fit are left out. */
export function errorFields({ code, message, retry, details }: ShoalError): { readonly [key: string]: JsonValue | undefined } {
  const short = { code, message: message.slice(0, MESSAGE_CHARACTERS_MAX), retry }
  const whole = { ...short, details }
  return Object.keys(details).length === 0 || Buffer.byteLength(JSON.stringify(whole)) <= ERROR_BYTES_MAX ? whole : short
}

/** What stands for a code of a newer release, so that it's dealt with as that one wants it to be. */
const UNKNOWN_CODES = {
  never: 'INTERNAL',
  'after-delay': 'UNAVAILABLE',
  'other-replica': 'STORAGE_FAILED',
} as const satisfies Record<RetryClass, ErrorCode>

export function decodeError(payload: Buffer): ShoalError {
  return errorOf(parseObject(payload, 'ERROR'))
}

/** The error that an object of JSON tells of: `code`, `message`, `retry` and `details`, as an ERROR has them. */
export function errorOf({ code, message, retry, details }: Readonly<Record<string, unknown>>): ShoalError {
  if (typeof code !== 'string' || typeof message !== 'string') throw violation('an ERROR has no code and message')
  const known = detailsOf(details)
  if (isErrorCode(code)) return new ShoalError(code, message, { details: known })
  const standIn = UNKNOWN_CODES[String(retry) as RetryClass] ?? 'INTERNAL'
  return new ShoalError(standIn, `${message} (${code})`, { details: { ...known, code } })
}

export function encodeWindow(call: number, creditBytes: number): Buffer {
  const payload = Buffer.allocUnsafe(4)
  payload.writeUInt32BE(creditBytes, 0)
  return encodeFrame({ type: FRAME.WINDOW, flags: 0, call }, payload)
}

/** Bytes that the body of a call may send on top of what it may already. */
export function decodeWindow(payload: Buffer): number {
  return payload.readUInt32BE(0)
}

const NO_BYTES = Buffer.alloc(0)

/** JSON `null`, which most small answers are, is written as no bytes. */
function encodeHeader(header: WireHeader): { bytes: Uint8Array; flags: number } {
  const isBinary = header instanceof Uint8Array
  const bytes = isBinary ? header : header === null ? NO_BYTES : Buffer.from(JSON.stringify(header))
  if (bytes.length > HEADER_BYTES_MAX)
    throw new ShoalError(
      'TOO_LARGE',
      `The header of a call between nodes has ${bytes.length} bytes, and at most ${HEADER_BYTES_MAX} are allowed`,
    )
  return { bytes, flags: isBinary ? IS_BINARY : 0 }
}

function decodeHeader(flags: number, bytes: Buffer): WireHeader {
  if ((flags & IS_BINARY) !== 0) return bytes
  return bytes.length === 0 ? null : (parseJson(bytes, 'header') as JsonValue)
}

function isMethod(text: string): boolean {
  return text.length <= METHOD_BYTES_MAX && /^[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*$/.test(text)
}

function isVersion(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 0xffff
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
}

function detailsOf(value: unknown): ErrorDetails {
  if (typeof value !== 'object' || value === null) return {}
  const isPlain = (each: unknown): each is string | number | boolean => ['string', 'number', 'boolean'].includes(typeof each)
  return Object.fromEntries(Object.entries(value).filter(([key, each]) => key !== '__proto__' && isPlain(each)))
}

function parseObject(bytes: Buffer, what: string): Record<string, unknown> {
  const value = parseJson(bytes, what)
  if (typeof value !== 'object' || value === null) throw violation(`its ${what} is no JSON object`)
  return value as Record<string, unknown>
}

function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    throw violation(`its ${what} is no JSON`)
  }
}
