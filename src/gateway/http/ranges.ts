/** Bytes `[offset, offset + length)`. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

export type RangeVerdict =
  | { readonly kind: 'whole' }
  | { readonly kind: 'unsatisfiable' }
  | { readonly kind: 'ranges'; readonly ranges: readonly ByteRange[] }

/** More ranges than this in one request are answered with the whole: RFC 9110, section 14.2, lets a server ignore a Range
 *  that looks like an attack ("Apache killer", CVE-2011-3192), and a multipart of so many parts costs more than it saves. */
export const MAX_RANGES = 64

const WHOLE: RangeVerdict = { kind: 'whole' }
const UNSATISFIABLE: RangeVerdict = { kind: 'unsatisfiable' }

/** Judges a Range header by RFC 9110, section 14, against contents of `sizeBytes`. Another unit, bad syntax, too many
 *  ranges, or ranges that together ask for more than the whole (they overlap): the header is ignored. */
export function judgeRange(header: string, sizeBytes: number): RangeVerdict {
  const match = /^\s*bytes\s*=(.*)$/is.exec(header)
  if (match === null) return WHOLE
  const specs = (match[1] as string).split(',')
  if (specs.length > MAX_RANGES) return WHOLE
  const ranges: ByteRange[] = []
  let askedBytes = 0
  for (const spec of specs) {
    const parsed = parseSpec(spec.trim(), sizeBytes)
    if (parsed === 'invalid') return WHOLE
    if (parsed === undefined) continue
    ranges.push(parsed)
    askedBytes += parsed.length
  }
  if (ranges.length === 0) return UNSATISFIABLE
  if (ranges.length > 1 && askedBytes > sizeBytes) return WHOLE
  return { kind: 'ranges', ranges }
}

/** `undefined`: valid, but outside of the contents. */
function parseSpec(spec: string, sizeBytes: number): ByteRange | 'invalid' | undefined {
  const match = /^(\d{0,15})\s*-\s*(\d{0,15})$/.exec(spec)
  if (match === null) return 'invalid'
  const [, first, last] = match
  if (first === '' && last === '') return 'invalid'
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes)
    return length === 0 ? undefined : { offset: sizeBytes - length, length }
  }
  const offset = Number(first)
  const end = last === '' ? sizeBytes - 1 : Number(last)
  if (last !== '' && end < offset) return 'invalid'
  if (offset >= sizeBytes) return undefined
  return { offset, length: Math.min(end, sizeBytes - 1) - offset + 1 }
}

export function formatContentRange(range: ByteRange, sizeBytes: number): string {
  return `bytes ${range.offset}-${range.offset + range.length - 1}/${sizeBytes}`
}
