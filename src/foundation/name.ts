// Names of files are bytes; in memory they are strings. Bytes that are not UTF-8 become lone surrogates U+DC80 to U+DCFF
// (Python's "surrogateescape", PEP 383), so that every byte string has exactly one string and comes back byte for byte.

const REPLACEMENT = '\uFFFD'
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The string for the name `bytes`. Total: every byte string has one, and `encodeName` gives the bytes back. */
export function decodeName(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = buffer.toString('utf8')
  // A replacement character means invalid bytes, or a real U+FFFD in the name: only then look closer.
  return text.includes(REPLACEMENT) ? decodeEscaped(buffer) : text
}

/** The bytes of a name made by `decodeName` or typed by a person. */
export function encodeName(name: string): Buffer {
  if (name.isWellFormed()) return Buffer.from(name, 'utf8')
  const parts: Buffer[] = []
  let plain = ''
  for (const character of name) {
    const code = character.codePointAt(0) as number
    if (code < 0xdc80 || code > 0xdcff) {
      plain += character
      continue
    }
    if (plain !== '') parts.push(Buffer.from(plain, 'utf8'))
    plain = ''
    parts.push(Buffer.of(code - 0xdc00))
  }
  if (plain !== '') parts.push(Buffer.from(plain, 'utf8'))
  return Buffer.concat(parts)
}

/** Whether `name` is the string of some bytes: a lone surrogate that `decodeName` doesn't make stands for none, and two
 *  strings for the same bytes must not pass for two names. */
export function standsForBytes(name: string): boolean {
  return name.isWellFormed() || decodeName(encodeName(name)) === name
}

function decodeEscaped(bytes: Buffer): string {
  let out = ''
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes[at] as number)
    const piece = bytes.subarray(at, at + length)
    const decoded = piece.length === length ? tryDecode(piece) : undefined
    if (decoded === undefined) {
      out += String.fromCharCode(0xdc00 + (bytes[at] as number))
      at += 1
    } else {
      out += decoded
      at += length
    }
  }
  return out
}

function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1
  if (lead < 0xe0) return 2
  return lead < 0xf0 ? 3 : 4
}

function tryDecode(piece: Uint8Array): string | undefined {
  try {
    return utf8.decode(piece)
  } catch {
    return undefined
  }
}
