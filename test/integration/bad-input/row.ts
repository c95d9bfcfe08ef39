import { request } from '../raw-http.ts'
import type { RequestParts, Wire } from '../raw-http.ts'

/** One bad request, and what has to come back. */
export interface Row {
  readonly name: string
  readonly wire: Wire
  readonly status: number
  /** Of the problem document; `undefined`: the answer is none, as for the few requests that are only odd. */
  readonly code: string | undefined
  /** Codes of a batch's lines. */
  readonly lines?: readonly string[]
  /** Ends the sending side when everything is out. */
  readonly halfClose?: boolean
}

/** What is in the node while the rows run. */
export interface Ground {
  /** An upload with the parts 1 and 3. */
  readonly uploadId: string
}

export const VOLUME = 'bad'
/** At most 10 bytes and 2 files, and both are used up but for 5 bytes and no file. */
export const TIGHT_VOLUME = 'tight'
/** Configured for these tests, so that a body past the limit is not terabytes. */
export const MAX_BODY_BYTES = 100 * 1024 * 1024
/** Configured too: the shortest that is allowed. */
export const TIMEOUT_MS = 1_000

export const API = '/api/v1'
export const volumeUrl = `${API}/volumes/${VOLUME}`
export const file = (path: string): string => `${volumeUrl}/files/${path}`
export const entry = (path: string): string => `${volumeUrl}/entries/${path}`

type Expected = readonly [status: number, code?: string]

/** A request that is well-formed HTTP. */
export function row(name: string, [method, target, parts]: readonly [string, string, RequestParts?], expected: Expected): Row {
  return raw(name, [request(method, target, parts)], expected)
}

/** A request with a JSON body; a string goes out as it is. */
export function jsonRow(name: string, [method, target, body]: readonly [string, string, unknown], expected: Expected): Row {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return row(name, [method, target, { body: text, headers: { 'Content-Type': 'application/json' } }], expected)
}

/** Anything at all. */
export function raw(name: string, wire: Wire, [status, code]: Expected, options: { readonly halfClose?: boolean } = {}): Row {
  return { name, wire, status, code, ...options }
}
