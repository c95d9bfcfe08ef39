import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { AppendFile } from '#platform/append-files.ts'
import { headersBehind, readRecord } from './journal-frames.ts'
import { type Format, foreignError, readHead } from './journal-head.ts'
import { gapIn, type SegmentRecords } from './journal-left-over.ts'
import { decodeRecord, type JournalFlushed } from './journal-record.ts'

/** How the header begins that says so. */
const FLUSHED = '{"op":"flushed"'

/** A file of the journal. */
export interface Segment {
  readonly id: number
  readonly path: string
  readonly file: AppendFile
  /** That its head says. */
  format: Format
  /** How many changes in it aren't settled. */
  open: number
  readers: number
  isRemoved: boolean
  /** Somebody has taken it away: what it holds is gone with this process. */
  isLost: boolean
  /** Something in it may not survive a power failure. */
  isDirty: boolean
}

/** What one segment holds. */
export interface Scanned extends SegmentRecords {
  readonly segment: Segment
  readonly flushed: JournalFlushed[]
  /** Where something stands that is no record, and why that is. */
  damage: { readonly at: number; readonly error: ShoalError } | undefined
  /** Where it is of another volume. */
  foreign: ShoalError | undefined
}

/** Reads a file of the journal of a volume. @throws DATA_FORMAT, CORRUPT */
export function scanSegment(segment: Segment, volume: string): Scanned {
  const { file, path, id } = segment
  const scanned: Scanned = { segment, records: [], groups: new Map(), flushed: [], damage: undefined, foreign: undefined }
  let at = 0
  const head = readHead(file, path)
  if (isShoalError(head)) scanned.damage = { at, error: head }
  else {
    ;[segment.format, at] = [head.format, head.end]
    if (head.volume !== volume) scanned.foreign = foreignError(path, { written: head.volume, volume })
  }
  while (at < file.sizeBytes && scanned.damage === undefined) {
    const record = readRecord(file, at, segment.format)
    if (record === undefined) {
      const advice = `To give up what is behind it: truncate -s ${at} "${path}", and remove the later files beside it`
      scanned.damage = { at, error: new ShoalError('CORRUPT', `The journal "${path}" is damaged at byte ${at}. ${advice}`) }
      for (const header of headersBehind(file, { at, format: segment.format }, FLUSHED))
        scanned.flushed.push(decodeRecord(header) as JournalFlushed)
      break
    }
    const { header, bytesAt, end } = record
    const decoded = decodeRecord(header)
    if (!('op' in decoded)) scanned.records.push({ ...decoded, place: { segment: id, position: bytesAt } })
    else if (decoded.op === 'settled') scanned.records.push(decoded)
    else if (decoded.op === 'flushed') scanned.flushed.push(decoded)
    else for (const group of decoded.groups) for (const number of group) scanned.groups.set(number, group[0] ?? number)
    at = end
  }
  return scanned
}

/** A file may be gone, or its end where a record ended: then the damage is behind what is left in front of it. */
export function markGap(scanned: readonly Scanned[]): void {
  const torn = scanned.findIndex(({ damage }) => damage !== undefined)
  const gap = gapIn(torn < 0 ? scanned : scanned.slice(0, torn + 1))
  const last = gap === undefined ? undefined : scanned[gap.before - 1]
  if (gap === undefined || last === undefined) return
  const { path, file } = last.segment
  const said = `The journal lacks ${gap.changes} changes behind "${path}". To give up what is behind them, too: remove the later files beside it`
  last.damage = { at: file.sizeBytes, error: new ShoalError('CORRUPT', said) }
}
