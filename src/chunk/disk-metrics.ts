import type { Counter, Histogram, Metrics } from '#observe/metrics.ts'

/** What the disk store counts. */
export interface DiskMetrics {
  readonly writtenBytes: Counter
  readonly readBytes: Counter
  readonly corruptReads: Counter
  readonly flushedRecords: Histogram
}

const NOTHING: DiskMetrics = {
  writtenBytes: { add() {} },
  readBytes: { add() {} },
  corruptReads: { add() {} },
  flushedRecords: { observe() {} },
}

/** Of whoever reads, in whichever thread. */
export const READ_BYTES_METRIC = { name: 'shoal_chunk_read_bytes_total', help: 'Bytes of chunks handed to readers' }

export function diskMetrics(metrics: Metrics | undefined): DiskMetrics {
  if (metrics === undefined) return NOTHING
  return {
    writtenBytes: metrics.counter({
      name: 'shoal_chunk_written_bytes_total',
      help: 'Bytes written to packs and to chunk files, headers and checksums included',
      labels: ['kind'],
    }),
    readBytes: metrics.counter(READ_BYTES_METRIC),
    corruptReads: metrics.counter({
      name: 'shoal_chunk_corrupt_reads_total',
      help: 'Reads refused because a checksum was wrong',
    }),
    flushedRecords: metrics.histogram({
      name: 'shoal_chunk_pack_flush_records',
      help: 'Records that shared one flush of a pack',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 1024],
    }),
  }
}
