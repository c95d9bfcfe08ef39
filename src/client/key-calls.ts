import { jsonBody } from './call-parts.ts'
import type { Call } from './transport.ts'
import type { KeyToMake, RemoteKey, RemoteKeyWithSecret } from './wire.ts'

/** Sends a call and reads its answer as JSON; nothing for an answer without a body. */
export type SendJson = <T>(call: Call) => Promise<T>

/** The access keys of the cluster: for the principal `root` alone. @throws FORBIDDEN, NOT_FOUND */
export class KeyCalls {
  readonly #send: SendJson

  constructor(send: SendJson) {
    this.#send = send
  }

  async list(): Promise<readonly RemoteKey[]> {
    return (await this.#send<{ keys: RemoteKey[] }>({ method: 'GET', path: '/keys' })).keys
  }

  /** The answer is the only one that has the secret. @throws ALREADY_EXISTS */
  create(key: KeyToMake = {}): Promise<RemoteKeyWithSecret> {
    return this.#send({ method: 'POST', path: '/keys', ...jsonBody(key), idempotent: false })
  }

  update(accessKey: string, changes: { enabled?: boolean; description?: string }): Promise<RemoteKey> {
    return this.#send({ method: 'PATCH', path: keyPath(accessKey), ...jsonBody(changes), idempotent: true })
  }

  /** Gives it another secret; the one before is refused from then on. */
  rotate(accessKey: string): Promise<RemoteKeyWithSecret> {
    return this.#send({ method: 'POST', path: `${keyPath(accessKey)}/rotate`, idempotent: false })
  }

  async remove(accessKey: string): Promise<void> {
    await this.#send<undefined>({ method: 'DELETE', path: keyPath(accessKey) })
  }
}

function keyPath(accessKey: string): string {
  return `/keys/${encodeURIComponent(accessKey)}`
}
