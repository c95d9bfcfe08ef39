const MINUTE_MS = 60_000

/** The minute written last, which most of what was written together shares. */
let minute = Number.NaN
let minuteText = ''

/** A moment as S3's documents have it: ISO 8601 in UTC with milliseconds. */
export function s3Timestamp(timeNs: bigint): string {
  const timeMs = Number(timeNs / 1_000_000n)
  const current = Math.floor(timeMs / MINUTE_MS)
  if (current !== minute) {
    minuteText = new Date(current * MINUTE_MS).toISOString().slice(0, -'00.000Z'.length)
    minute = current
  }
  const ms = timeMs - current * MINUTE_MS
  const seconds = Math.floor(ms / 1000)
  return `${minuteText}${digits(seconds, 2)}.${digits(ms - seconds * 1000, 3)}Z`
}

function digits(number: number, count: number): string {
  return String(number).padStart(count, '0')
}
