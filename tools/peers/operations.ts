// The operations of one run, as warp writes them with --full: lines of fields between tabs, compressed with Zstandard.

import { zstdDecompressSync } from 'node:zlib'

export interface Operation {
  readonly kind: string
  readonly objects: number
  readonly bytes: number
  /** Empty of one that succeeded. */
  readonly error: string
  /** Of the wall clock, with fractions. */
  readonly startMs: number
  readonly endMs: number
}

/** What some operations came to between the first one's start and the last one's start: an operation that goes on beyond it
 *  counts by its share, so that a run isn't judged by its tail. */
export interface Outcome {
  readonly fromMs: number
  readonly toMs: number
  readonly operationsPerSecond: number
  readonly objectsPerSecond: number
  readonly bytesPerSecond: number
  readonly medianMs: number
  readonly p99Ms: number
  readonly errors: number
  readonly firstError: string | undefined
}

// The longest string of V8 is 512 MiB; the lines are cut from the bytes instead.
const LINE_FEED = 10
const COLUMNS = ['op', 'n_objects', 'bytes', 'error', 'start', 'end'] as const

export function readOperations(compressed: Uint8Array): Operation[] {
  const bytes = zstdDecompressSync(compressed)
  const operations: Operation[] = []
  let columns: readonly number[] | undefined
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(LINE_FEED, from)
    const line = bytes.toString('utf8', from, end === -1 ? bytes.length : end)
    from = end === -1 ? bytes.length : end + 1
    if (line === '' || line.startsWith('#')) continue
    const fields = line.split('\t')
    if (columns === undefined) {
      columns = COLUMNS.map((name) => fields.indexOf(name))
      if (columns.includes(-1)) throw new Error(`warp's operations have other columns than ${COLUMNS.join(', ')}: ${line}`)
      continue
    }
    const [kind, objects, size, error, start, finish] = columns.map((index) => fields[index] ?? '')
    operations.push({
      kind: kind ?? '',
      objects: Number(objects),
      bytes: Number(size),
      error: error ?? '',
      startMs: toMs(start ?? ''),
      endMs: toMs(finish ?? ''),
    })
  }
  return operations
}

/** `2026-11-26T15:07:09.124746465Z`, to fractions of a millisecond. */
function toMs(time: string): number {
  const [seconds, fraction = ''] = time.replace('Z', '').split('.')
  return Date.parse(`${seconds}Z`) + Number(`0.${fraction}`) * 1000
}

/** Those that began so long after the first. */
export function afterWarmUp(operations: readonly Operation[], seconds: number): readonly Operation[] {
  const firstMs = operations.reduce((least, { startMs }) => Math.min(least, startMs), Infinity)
  return operations.filter(({ startMs }) => startMs >= firstMs + seconds * 1000)
}

/** `undefined` if none of them succeeded. */
export function summarize(operations: readonly Operation[]): Outcome | undefined {
  const good = operations.filter(({ error }) => error === '')
  if (good.length === 0) return undefined
  const fromMs = good.reduce((least, { startMs }) => Math.min(least, startMs), Infinity)
  const lastStartMs = good.reduce((most, { startMs }) => Math.max(most, startMs), 0)
  // All began at once: they are the whole run.
  const toMs = lastStartMs > fromMs ? lastStartMs : good.reduce((most, { endMs }) => Math.max(most, endMs), 0)
  let [done, objects, bytes] = [0, 0, 0]
  for (const operation of good) {
    const lasted = Math.max(operation.endMs - operation.startMs, Number.EPSILON)
    const share = Math.min(1, Math.max(0, toMs - operation.startMs) / lasted)
    done += share
    objects += share * operation.objects
    bytes += share * operation.bytes
  }
  const seconds = (toMs - fromMs) / 1000
  const durations = Float64Array.from(good, ({ startMs, endMs }) => endMs - startMs).toSorted()
  const percentile = (share: number): number =>
    durations[Math.min(durations.length - 1, Math.floor(share * durations.length))] ?? 0
  return {
    fromMs,
    toMs,
    operationsPerSecond: done / seconds,
    objectsPerSecond: objects / seconds,
    bytesPerSecond: bytes / seconds,
    medianMs: percentile(0.5),
    p99Ms: percentile(0.99),
    errors: operations.length - good.length,
    firstError: operations.find(({ error }) => error !== '')?.error,
  }
}
