// The canonical forms of AWS Signature Version 4 ("Create a signed AWS API request", and its differences for S3: the path
// is encoded once and never normalised, so `//`, `.` and `..` are what they are).

import { encodeName } from '#foundation/name.ts'
import { percentDecode } from '#gateway/http/target.ts'
import type { SignedHeaders } from './signed-headers.ts'

/** The parts of a request that a signature covers, as they came. */
export interface RequestToVerify {
  readonly method: string
  /** Raw: still percent-encoded. */
  readonly path: string
  readonly query: string
  /** Names and values in turn, as node:http has them: bytes as Latin-1. */
  readonly rawHeaders: readonly string[]
}

const PLAIN_PATH = /^[A-Za-z0-9\-._~/]*$/
const PLAIN = /^[A-Za-z0-9\-._~]*$/
/** What needs no other form: bytes other than plain ones as two upper-case digits. */
const CANONICAL_PATH = /^(?:[A-Za-z0-9\-._~/]|%(?:[0189A-F][0-9A-F]|2[0-9A-C]|3[A-F]|40|5[B-E]|60|7[B-DF]))*$/
const CANONICAL = /^(?:[A-Za-z0-9\-._~]|%(?:[0189A-F][0-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF]))*$/
const HEX = '0123456789ABCDEF'

/** Decoded once and encoded again as the signature has it: `+` is `%2B`, `%7e` is `~`, `%2f` is `/`.
 *  @throws INVALID_PATH for a broken percent-encoding */
export function canonicalPath(path: string): string {
  return CANONICAL_PATH.test(path) ? path : encodeUri(percentDecode(path), true)
}

/** The parameters encoded and in order, `without` one. @throws INVALID_PATH */
export function canonicalQuery(query: string, without?: string): string {
  if (query === '') return ''
  const pairs: { readonly name: string; readonly value: string }[] = []
  let isInOrder = true
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = recode(equals === -1 ? pair : pair.slice(0, equals))
    if (name === without) continue
    isInOrder &&= (pairs.at(-1)?.name ?? '') < name
    pairs.push({ name, value: equals === -1 ? '' : recode(pair.slice(equals + 1)) })
  }
  // Encoded text is ASCII: the order of its units is the order of its bytes.
  if (!isInOrder) pairs.sort((a, b) => compare(a.name, b.name) || compare(a.value, b.value))
  return pairs.map(({ name, value }) => `${name}=${value}`).join('&')
}

function recode(text: string): string {
  return CANONICAL.test(text) ? text : encodeUri(percentDecode(text.replaceAll('+', ' ')), false)
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function encodeUri(text: string, keepSlash: boolean): string {
  let encoded = ''
  for (const byte of encodeName(text)) {
    const character = String.fromCharCode(byte)
    if (byte < 0x80 && (keepSlash ? PLAIN_PATH : PLAIN).test(character)) encoded += character
    else encoded += `%${HEX.charAt(byte >> 4)}${HEX.charAt(byte & 15)}`
  }
  return encoded
}

/** What is hashed and signed. `path` is in the form that is to be tried. */
export function canonicalRequest(
  request: RequestToVerify,
  parts: { readonly path: string; readonly query: string; readonly signed: SignedHeaders; readonly payloadHash: string },
): string {
  const headers = parts.signed.lines(request.rawHeaders)
  return `${request.method}\n${parts.path}\n${parts.query}\n${headers}\n${parts.signed.text}\n${parts.payloadHash}`
}
