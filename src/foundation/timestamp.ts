// oxlint-disable eslint/no-restricted-globals -- converts given times, reads no clock
import { ShoalError } from './errors.ts'

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/
const NS_PER_SECOND = 1_000_000_000n
const ZERO = '0'.charCodeAt(0)
/** What signed 64 bits hold, as records keep times, on either side of 1970: the years 1677 to 2262. */
export const TIME_NS_MAX: bigint = 2n ** 63n - 1n

let latestSecond = Number.NaN
let latestText = ''
let latestNs: bigint | undefined
let latestFull = ''

/** RFC 3339 in UTC with nine digits of the second. */
export function formatTimestamp(timeNs: bigint): string {
  if (timeNs === latestNs) return latestFull
  const fraction = ((timeNs % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND
  const second = Number((timeNs - fraction) / NS_PER_SECOND)
  // The four times of an entry, and entries beside each other, are mostly of one second.
  if (second !== latestSecond) {
    latestText = new Date(second * 1000).toISOString().slice(0, -5)
    latestSecond = second
  }
  latestNs = timeNs
  latestFull = `${latestText}.${String(fraction).padStart(9, '0')}Z`
  return latestFull
}

/** Nanoseconds since 1970 of an RFC 3339 time with a zone, or of a whole number that is them already.
 *  @throws INVALID_ARGUMENT that names `what` */
export function parseTimestamp(text: string, what: string): bigint {
  const timeNs = tryParseTimestamp(text)
  if (timeNs === undefined) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `${what} "${text.slice(0, 60)}" is no time: RFC 3339 such as "2026-11-20T12:00:00.123Z" is expected, or nanoseconds since 1970`,
    )
  }
  return timeNs
}

/** As `formatTimestamp` makes them, of one second. */
const FULL_CHARACTERS = 30
const SECOND_CHARACTERS = 19
let parsedSecond = ''
let parsedSecondNs = 0n

/** The same, or `undefined` if it is no time. */
export function tryParseTimestamp(text: string): bigint | undefined {
  const timeNs = inParsedSecond(text) ?? (/^-?\d{1,19}$/.test(text) ? BigInt(text) : rfc3339Ns(text))
  return timeNs === undefined || timeNs > TIME_NS_MAX || timeNs < -TIME_NS_MAX ? undefined : timeNs
}

/** What was read last is mostly of the same second. */
function inParsedSecond(text: string): bigint | undefined {
  if (text.length !== FULL_CHARACTERS || parsedSecond === '' || !text.startsWith(parsedSecond)) return undefined
  const fraction = fractionIn(text)
  return fraction === undefined ? undefined : parsedSecondNs + BigInt(fraction)
}

function rfc3339Ns(text: string): bigint | undefined {
  const match = RFC3339.exec(text)
  if (match === null) return undefined
  const ms = Date.parse(`${match[1]}T${match[2]}${(match[4] as string).toUpperCase()}`)
  if (Number.isNaN(ms)) return undefined
  const secondNs = BigInt(ms) * 1_000_000n
  if (text.length === FULL_CHARACTERS && fractionIn(text) !== undefined)
    [parsedSecond, parsedSecondNs] = [text.slice(0, SECOND_CHARACTERS), secondNs]
  return secondNs + BigInt((match[3] ?? '').padEnd(9, '0'))
}

/** What stands behind the second in `.123456789Z`, if it looks like that: regular expressions take several times as long. */
function fractionIn(text: string): number | undefined {
  if (text[SECOND_CHARACTERS] !== '.' || text[FULL_CHARACTERS - 1] !== 'Z') return undefined
  let fraction = 0
  for (let at = SECOND_CHARACTERS + 1; at < FULL_CHARACTERS - 1; at += 1) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) return undefined
    fraction = fraction * 10 + digit
  }
  return fraction
}
