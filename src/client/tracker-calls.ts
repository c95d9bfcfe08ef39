import { jsonBody } from './call-parts.ts'
import type { SendJson } from './key-calls.ts'
import type { RemoteTracker, TrackerBudget } from './wire.ts'

/** What keeps chunks where they belong: for the principal `root` alone. All answer with the state after it.
 *  @throws FORBIDDEN, UNAVAILABLE while nobody leads, UNSUPPORTED on a node without a tracker */
export class TrackerCalls {
  readonly #send: SendJson

  constructor(send: SendJson) {
    this.#send = send
  }

  status(): Promise<RemoteTracker> {
    return this.#send({ method: 'GET', path: '/tracker' })
  }

  /** Without a task: all. Nothing of it begins once the promise has resolved. */
  pause(task?: string): Promise<RemoteTracker> {
    return this.#send({ method: 'POST', path: '/tracker/pause', ...jsonBody({ task }), idempotent: true })
  }

  resume(task?: string): Promise<RemoteTracker> {
    return this.#send({ method: 'POST', path: '/tracker/resume', ...jsonBody({ task }), idempotent: true })
  }

  /** Begins a walk of the task, unless one is under way; a dry run changes nothing. */
  run(
    task: string,
    options: { readonly dryRun?: boolean; readonly budget?: TrackerBudget | undefined } = {},
  ): Promise<RemoteTracker> {
    return this.#send({ method: 'POST', path: '/tracker/run', ...jsonBody({ task, ...options }), idempotent: true })
  }
}
