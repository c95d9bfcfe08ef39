import { ShoalError } from '#foundation/errors.ts'
import { parsePath } from '#foundation/path.ts'
import type { Path } from '#foundation/path.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Caller, Volume } from '#volume/volume.ts'
import { readBatchRecords } from './batch-records.ts'
import type { BatchRecord } from './batch-records.ts'
import { entryText } from './entry-json.ts'
import { attributeChanges, conditionsOf, targetBytes } from './entry-operations.ts'

import { problemLine } from './problem.ts'
import { removeInode } from './remove-inode.ts'
import { openVolume } from './open-volume.ts'
import { callerOf, volumePath } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS, PATH_ERRORS } from './route.ts'
import type { RestContext, Route } from './route.ts'

/** Records being stored at once: enough to share the store's commits, few enough to bound the memory. */
const MAX_IN_FLIGHT = 256
const MAX_IN_FLIGHT_BYTES = 8 * 1024 * 1024
/** Lines that are there already go in one write, up to this length. */
const LINES_PER_WRITE_BYTES = 16 * 1024

interface InFlight {
  /** Once it is there. */
  line: string | undefined
  readonly settled: Promise<void>
  readonly sizeBytes: number
}

export const writeBatch: Route = {
  operation: 'writeBatch',
  method: 'POST',
  path: '/api/v1/volumes/{volume}/batch/{path*}',
  summary: 'Stores many small files, each atomically; answers a line for each',
  body: { contentType: 'application/octet-stream', required: true },
  responses: { 200: { description: 'A line of JSON for each record, in their order', contentType: 'application/x-ndjson' } },
  errors: [...PATH_ERRORS, ...BODY_ERRORS, ...CHANGE_ERRORS],
  async handle(exchange, rest) {
    const base = volumePath(exchange)
    const volume = await openVolume(exchange, rest)
    await rest.uploads.enterInTurn(rest.clock, exchange.signal)
    try {
      await new Batch(exchange, rest, { volume, base }).run()
    } finally {
      rest.uploads.leave()
    }
  },
}

class Batch {
  readonly #exchange: Exchange
  readonly #rest: RestContext
  readonly #volume: Volume
  readonly #base: Path
  readonly #caller: Caller
  /** Answers in the order of the records, and the bytes that each holds. */
  readonly #inFlight: InFlight[] = []
  #inFlightBytes = 0
  /** Answered, but not written. */
  #lines = ''

  constructor(exchange: Exchange, rest: RestContext, target: { readonly volume: Volume; readonly base: Path }) {
    this.#exchange = exchange
    this.#rest = rest
    this.#volume = target.volume
    this.#base = target.base
    this.#caller = callerOf(exchange)
  }

  async run(): Promise<void> {
    const records = readBatchRecords(this.#exchange.body(this.#rest.limits.maxBodyBytes))
    let failure: Error | undefined
    let started = false
    try {
      for (let record = await records.next(); record.done !== true; record = await records.next()) {
        if (!started) this.#exchange.startStream(200, ['Content-Type', 'application/x-ndjson'])
        started = true
        this.#begin(record.value)
        while (this.#inFlight.length >= MAX_IN_FLIGHT || this.#inFlightBytes >= MAX_IN_FLIGHT_BYTES) await this.#answerFirst()
      }
    } catch (error) {
      failure = error as Error
    }
    if (!started) {
      if (failure !== undefined) throw failure
      return this.#exchange.send(200, ['Content-Type', 'application/x-ndjson'])
    }
    while (this.#inFlight.length > 0) await this.#answerFirst()
    await this.#writeLines()
    if (failure === undefined || this.#exchange.aborted) return this.#exchange.end()
    this.#endWith(failure)
  }

  #begin(record: BatchRecord): void {
    const sizeBytes = record.kind === 'record' ? record.bytes.length : 0
    this.#inFlightBytes += sizeBytes
    const settled = this.#lineOf(record).then((line) => {
      inFlight.line = line
    })
    const inFlight: InFlight = { line: undefined, settled, sizeBytes }
    this.#inFlight.push(inFlight)
  }

  async #answerFirst(): Promise<void> {
    const first = this.#inFlight.shift()
    if (first === undefined) return
    if (first.line === undefined) {
      await this.#writeLines()
      await first.settled
    }
    this.#inFlightBytes -= first.sizeBytes
    this.#lines += first.line ?? ''
    if (this.#lines.length >= LINES_PER_WRITE_BYTES) await this.#writeLines()
  }

  async #writeLines(): Promise<void> {
    const lines = this.#lines
    this.#lines = ''
    // Whoever is gone gets no answer; what was begun is finished all the same.
    if (lines === '' || this.#exchange.aborted || this.#exchange.write(lines)) return
    await this.#exchange.drained().catch(() => undefined)
  }

  async #lineOf(record: BatchRecord): Promise<string> {
    try {
      if (record.kind === 'refused') throw record.problem
      const { header } = record
      const path = [...this.#base, ...parsePath(header.path)]
      if (header.type === 'removal') {
        await removeInode(this.#volume, { path, inode: header.inode }, this.#caller)
        return '{"status":204}\n'
      }
      const { attributes, created } = await this.#store(path, record)
      const entry = header.entry === true ? `,"entry":${entryText(path, attributes)}` : ''
      return `{"status":${created ? 201 : 200},"etag":${JSON.stringify(entityTag(attributes))}${entry}}\n`
    } catch (error) {
      if (!(error instanceof ShoalError))
        this.#rest.log.error('record of a batch failed unexpectedly', { requestId: this.#exchange.id, error })
      return problemLine(error, this.#exchange.id)
    }
  }

  async #store(
    path: Path,
    { header, bytes }: Extract<BatchRecord, { kind: 'record' }>,
  ): Promise<{ readonly attributes: Attributes; readonly created: boolean }> {
    const caller = this.#caller
    const createParents = header.parents ?? true
    const attributes = attributeChanges(header)
    if (header.type === 'attributes') {
      if (Object.keys(attributes).length === 0)
        throw new ShoalError(
          'INVALID_ARGUMENT',
          'A record of type "attributes" needs one of "mode", "uid", "gid", "mtime", "atime"',
        )
      return { attributes: await this.#volume.setAttributes(path, attributes, caller), created: false }
    }
    if (header.type === 'directory') {
      const mode = header.mode === undefined ? {} : { mode: header.mode }
      const made = await this.#volume.makeDirectory(path, { caller, parents: createParents, attributes, ...mode })
      return { attributes: made, created: true }
    }
    if (header.type === 'symlink') {
      if (header.target === undefined) throw new ShoalError('INVALID_ARGUMENT', 'A record of type "symlink" needs a "target"')
      const made = await this.#volume.makeSymlink(path, targetBytes(header.target), { caller, createParents, attributes })
      return { attributes: made, created: true }
    }
    const conditions = conditionsOf(header)
    return this.#volume.writeFile(path, bytes, {
      caller,
      createParents,
      attributes,
      ...(conditions === undefined ? {} : { conditions }),
      expected: {
        sizeBytes: bytes.length,
        ...(header.sha256 === undefined ? {} : { sha256: Buffer.from(header.sha256, 'hex') }),
      },
    })
  }

  #endWith(failure: Error): void {
    if (!(failure instanceof ShoalError))
      this.#rest.log.error('batch failed unexpectedly', { requestId: this.#exchange.id, error: failure })
    this.#exchange.end(problemLine(failure, this.#exchange.id))
  }
}
