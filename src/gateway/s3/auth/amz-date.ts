import { parseHttpDate } from '#gateway/http/http-date.ts'

/** The time of the request before, which those of the same second share. */
let last = { text: '', timeMs: Number.NaN }

/** Reads `20130524T000000Z` to milliseconds, or `undefined`. */
export function parseAmzDate(text: string): number | undefined {
  if (text === last.text) return last.timeMs
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [number, number, number, number, number, number]
  const timeMs = Date.UTC(year, month - 1, day, hour, minute, second)
  if (formatAmzDate(timeMs) !== text) return undefined
  last = { text, timeMs }
  return timeMs
}

/** `20130524T000000Z`. */
export function formatAmzDate(timeMs: number): string {
  if (timeMs === last.timeMs) return last.text
  return new Date(timeMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
}

/** The time that a request says of itself: x-amz-date in its own form or as an HTTP date, else Date. Some clients write
 *  UTC as the zone `-0000` (RFC 5322). */
export function requestTimeMs(
  dates: { readonly amzDate: string | undefined; readonly date: string | undefined },
  nowMs: number,
): number | undefined {
  const text = dates.amzDate ?? dates.date
  if (text === undefined) return undefined
  return parseAmzDate(text) ?? parseHttpDate(text.replace(/ [+-]0000$/, ' GMT'), nowMs)
}
