import { jsonBody, volumePath } from './call-parts.ts'
import type { SendJson } from './key-calls.ts'
import { encodePath } from './remote-path.ts'
import type { RemoteConflict, RemoteEntry } from './wire.ts'

/** The versions of eventual volumes that lost. @throws UNSUPPORTED for a strong volume */
export class ConflictCalls {
  readonly #send: SendJson

  constructor(send: SendJson) {
    this.#send = send
  }

  /** All of them, page by page. */
  async *list(volume: string, prefix = ''): AsyncGenerator<RemoteConflict> {
    for (let cursor: string | undefined; ;) {
      const query = new URLSearchParams({ ...(prefix === '' ? {} : { prefix }), ...(cursor === undefined ? {} : { cursor }) })
      const path = `${volumePath(volume)}/conflicts${query.size === 0 ? '' : `?${query}`}`
      const page = await this.#send<{ conflicts: RemoteConflict[]; next?: string }>({ method: 'GET', path })
      yield* page.conflicts
      if (page.next === undefined) return
      cursor = page.next
    }
  }

  show(volume: string, path: string): Promise<RemoteConflict> {
    return this.#send({ method: 'GET', path: conflictPath(volume, path) })
  }

  restore(volume: string, path: string, version: string): Promise<RemoteEntry> {
    return this.#send({
      method: 'POST',
      path: conflictPath(volume, path),
      ...jsonBody({ op: 'restore', version }),
      idempotent: false,
    })
  }

  async drop(volume: string, path: string, version: string): Promise<void> {
    await this.#send<undefined>({
      method: 'POST',
      path: conflictPath(volume, path),
      ...jsonBody({ op: 'drop', version }),
      idempotent: false,
    })
  }
}

function conflictPath(volume: string, path: string): string {
  return `${volumePath(volume)}/conflicts/${encodePath(path)}`
}
