import { jsonBody } from './call-parts.ts'
import type { SendJson } from './key-calls.ts'
import type { ClassSettings, RemoteClass } from './wire.ts'

/** The replication classes. Only the principal `root` may change them. @throws FORBIDDEN, NOT_FOUND */
export class ClassCalls {
  readonly #send: SendJson

  constructor(send: SendJson) {
    this.#send = send
  }

  async list(): Promise<readonly RemoteClass[]> {
    return (await this.#send<{ classes: RemoteClass[] }>({ method: 'GET', path: '/classes' })).classes
  }

  show(name: string): Promise<RemoteClass> {
    return this.#send({ method: 'GET', path: classPath(name) })
  }

  /** @throws ALREADY_EXISTS */
  create(name: string, settings: ClassSettings): Promise<RemoteClass> {
    return this.#send({ method: 'POST', path: '/classes', ...jsonBody({ name, ...settings }), idempotent: false })
  }

  update(name: string, settings: ClassSettings): Promise<RemoteClass> {
    return this.#send({ method: 'PATCH', path: classPath(name), ...jsonBody(settings), idempotent: true })
  }

  /** @throws CONFLICT while volumes have it */
  async remove(name: string): Promise<void> {
    await this.#send<undefined>({ method: 'DELETE', path: classPath(name) })
  }
}

function classPath(name: string): string {
  return `/classes/${encodeURIComponent(name)}`
}
