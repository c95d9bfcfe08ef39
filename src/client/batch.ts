import { ShoalError } from '#foundation/errors.ts'
import { isErrorCode } from '#foundation/errors.ts'
import type { RemoteEntry } from './wire.ts'

/** A file, with at most 1 MiB that follows; a directory or a symbolic link; a removal, or attributes of what is there. */
export interface BatchRecord {
  /** Relative to the batch's directory. */
  readonly path: string
  readonly size: number
  /** Octal. */
  readonly mode?: string
  /** RFC 3339. */
  readonly mtime?: string
  readonly sha256?: string
  readonly type?: 'directory' | 'symlink' | 'removal' | 'attributes'
  readonly target?: string
  readonly uid?: number
  readonly gid?: number
  /** RFC 3339. */
  readonly atime?: string
  /** False refuses to make missing directories. */
  readonly parents?: boolean
  /** An entity tag, of what a file replaces. */
  readonly ifMatch?: string
  readonly ifNoneMatch?: '*'
  /** Of a removal: what it must be. */
  readonly inode?: number
  /** Asks for the entry in the answer. */
  readonly entry?: boolean
}

/** Collects the records of one batch in one buffer, so that contents are read from disk straight into what goes out. */
export class BatchBuffer {
  readonly #buffer: Buffer
  #length = 0
  #records = 0

  constructor(capacityBytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(capacityBytes)
  }

  get records(): number {
    return this.#records
  }

  get lengthBytes(): number {
    return this.#length
  }

  /** The filled part: valid until `clear`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Adds a record and returns the room for its `size` bytes, to be filled by the caller; `undefined` if it doesn't fit. */
  add(record: BatchRecord): Buffer | undefined {
    const header = JSON.stringify(record)
    // A UTF-16 unit has at most three bytes in UTF-8: only near the end of the buffer is the exact length of interest.
    const most = 4 + header.length * 3 + record.size
    if (
      this.#length + most > this.#buffer.length &&
      this.#length + 4 + Buffer.byteLength(header) + record.size > this.#buffer.length
    ) {
      return undefined
    }
    const headerBytes = this.#buffer.write(header, this.#length + 4, 'utf8')
    this.#buffer.writeUInt32BE(headerBytes, this.#length)
    const start = this.#length + 4 + headerBytes
    this.#length = start + record.size
    this.#records += 1
    return this.#buffer.subarray(start, this.#length)
  }

  /** Takes the newest record back; `lengthBytes` is what it was before `add`. */
  undo(lengthBytes: number): void {
    this.#length = lengthBytes
    this.#records -= 1
  }

  clear(): void {
    this.#length = 0
    this.#records = 0
  }
}

/** What became of each record: the entry where it was asked for, `undefined` for stored or removed, else why not. */
export type BatchResult = readonly (RemoteEntry | ShoalError | undefined)[]

/** Reads a batch's answer. @throws INTERNAL if there are fewer lines than `records`, or others */
export function parseBatchAnswer(body: Buffer, records: number): BatchResult {
  const results: (RemoteEntry | ShoalError | undefined)[] = []
  let start = 0
  while (start < body.length) {
    let end = body.indexOf(10, start)
    if (end < 0) end = body.length
    if (end > start) results.push(parsedLine(body.toString('utf8', start, end)))
    start = end + 1
  }
  if (results.length !== records) {
    throw new ShoalError('INTERNAL', `The server answered for ${results.length} of the batch's ${records} records`)
  }
  return results
}

function parsedLine(line: string): RemoteEntry | ShoalError | undefined {
  try {
    return parseBatchLine(line)
  } catch (cause) {
    throw new ShoalError('INTERNAL', 'The server answered a batch with something that is not JSON', { cause })
  }
}

function parseBatchLine(line: string): RemoteEntry | ShoalError | undefined {
  if (line.startsWith('{"status":20') && !line.includes(',"entry":{')) return undefined
  if (line.startsWith('{"status":20')) return (JSON.parse(line) as { entry: RemoteEntry }).entry
  const problem = JSON.parse(line) as { status?: number; code?: string; detail?: string; title?: string }
  if (problem.status !== undefined && problem.status < 300) return undefined
  const code = problem.code !== undefined && isErrorCode(problem.code) ? problem.code : 'INTERNAL'
  return new ShoalError(code, problem.detail ?? problem.title ?? `The server answered with status ${problem.status}`)
}
