import { parseBatchAnswer } from './batch.ts'
import type { BatchResult } from './batch.ts'
import { target } from './call-parts.ts'
import type { Call } from './transport.ts'

/** Many small changes in one call. */
export class BatchCalls {
  readonly #send: (call: Call) => Promise<Buffer>

  /** `send` answers with the body. */
  constructor(send: (call: Call) => Promise<Buffer>) {
    this.#send = send
  }

  /** Stores the records of a `BatchBuffer` below the directory at `path`. */
  async store(
    volume: string,
    path: string,
    batch: { readonly bytes: Buffer; readonly records: number; readonly signal?: AbortSignal | undefined },
  ): Promise<BatchResult> {
    const body = await this.#send({
      method: 'POST',
      path: target(volume, 'batch', path),
      headers: { 'content-type': 'application/octet-stream' },
      body: batch.bytes,
      // Each record replaces a whole file: sent twice, it leaves what it leaves once. What has conditions is then refused.
      idempotent: true,
      signal: batch.signal,
    })
    return parseBatchAnswer(body, batch.records)
  }
}
