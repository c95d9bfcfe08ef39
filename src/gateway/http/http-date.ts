const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Dates written lately: files written together share their second. */
const written = new Map<number, string>()
const WRITTEN_MAX = 1_024

/** The date as RFC 9110, section 5.6.7, writes it (IMF-fixdate), in whole seconds, rounded down. */
export function formatHttpDate(timeMs: number): string {
  const second = Math.floor(timeMs / 1000)
  const known = written.get(second)
  if (known !== undefined) return known
  const text = new Date(second * 1000).toUTCString()
  if (written.size >= WRITTEN_MAX) written.clear()
  written.set(second, text)
  return text
}

// In the order of RFC 9110: IMF-fixdate, the obsolete form of RFC 850, and that of C's asctime().
const FIXDATE = /^(?:\w{3}), (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/
const RFC850 = /^(?:\w{6,9}), (\d{2})-(\w{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) GMT$/
const ASCTIME = /^(?:\w{3}) (\w{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/

/** Milliseconds since 1970 of any of the three forms that a recipient has to read, or `undefined`: RFC 9110 wants a
 *  condition whose date is none to be ignored. `nowMs` settles the century of a two-digit year. */
export function parseHttpDate(text: string, nowMs: number): number | undefined {
  const fixdate = FIXDATE.exec(text)
  if (fixdate !== null) return timeOf(Number(fixdate[3]), fixdate[2], fixdate[1], fixdate.slice(4, 7))
  const rfc850 = RFC850.exec(text)
  if (rfc850 !== null) return timeOf(fullYear(Number(rfc850[3]), nowMs), rfc850[2], rfc850[1], rfc850.slice(4, 7))
  const asctime = ASCTIME.exec(text)
  if (asctime !== null) return timeOf(Number(asctime[6]), asctime[1], asctime[2], asctime.slice(3, 6))
  return undefined
}

function timeOf(
  year: number,
  monthName: string | undefined,
  day: string | undefined,
  clock: readonly string[],
): number | undefined {
  const month = MONTHS.indexOf(monthName ?? '')
  const [hours, minutes, seconds] = clock.map(Number)
  if (month === -1 || hours === undefined || minutes === undefined || seconds === undefined) return undefined
  if (hours > 23 || minutes > 59 || seconds > 60) return undefined
  const dayNumber = Number(day)
  const time = Date.UTC(year, month, dayNumber, hours, minutes, seconds)
  return new Date(Date.UTC(year, month, dayNumber)).getUTCDate() === dayNumber ? time : undefined
}

/** A two-digit year that would be more than 50 years ahead is of the century before (RFC 9110, section 5.6.7). */
function fullYear(twoDigits: number, nowMs: number): number {
  const thisYear = new Date(nowMs).getUTCFullYear()
  const year = Math.floor(thisYear / 100) * 100 + twoDigits
  return year > thisYear + 50 ? year - 100 : year
}
