import type { Call, StreamedAnswer } from './transport.ts'

/** What a backup is made of: for the principal `root` alone. @throws FORBIDDEN */
export class BackupCalls {
  readonly #stream: (call: Call) => Promise<StreamedAnswer>
  readonly #take: (call: Call) => Promise<Buffer>

  constructor(calls: { stream(call: Call): Promise<StreamedAnswer>; take(call: Call): Promise<Buffer> }) {
    this.#stream = (call) => calls.stream(call)
    this.#take = (call) => calls.take(call)
  }

  /** All metadata as of one moment, as docs/formats/backup.md has it. @throws BUSY while another backup reads it */
  async metadata(signal?: AbortSignal): Promise<AsyncIterable<Buffer>> {
    return (await this.#stream({ method: 'GET', path: '/backup/metadata', signal })).body
  }

  /** @throws CHUNK_MISSING, CORRUPT */
  chunk(id: string, signal?: AbortSignal): Promise<Buffer> {
    return this.#take({ method: 'GET', path: `/backup/chunks/${id}`, signal })
  }
}
