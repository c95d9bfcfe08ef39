import { encodeName } from '#foundation/name.ts'

const PLAIN = /^[A-Za-z0-9\-._~/]*$/

/** `path` (names with `/` between them) percent-encoded byte for byte, as URLs and the REST interface want it. */
export function encodePath(path: string): string {
  if (PLAIN.test(path)) return path
  if (path.isWellFormed()) return path.split('/').map(encodeURIComponent).join('/')
  return path.split('/').map(encodeBytes).join('/')
}

function encodeBytes(name: string): string {
  let out = ''
  for (const byte of encodeName(name)) {
    const character = String.fromCharCode(byte)
    out += byte < 0x80 && PLAIN.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}
