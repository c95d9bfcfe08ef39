/** A moment as S3's documents have it: ISO 8601 in UTC with milliseconds. */
export function s3Timestamp(timeNs: bigint): string {
  return new Date(Number(timeNs / 1_000_000n)).toISOString()
}
