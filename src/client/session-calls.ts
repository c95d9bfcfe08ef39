import { jsonBody, type SignalOption, volumePath } from './call-parts.ts'
import type { SendJson } from './key-calls.ts'

/** One owner's lock of a range; first and last byte. */
export interface LockToAsk {
  readonly inode: number
  readonly family: 'flock' | 'posix'
  /** 16 hexadecimal characters. */
  readonly owner: string
  readonly kind: 'read' | 'write'
  readonly start: bigint
  readonly end: bigint
}

export interface LockToChange extends Omit<LockToAsk, 'kind'> {
  readonly kind: 'read' | 'write' | 'unlock'
  readonly pid: number
}

export interface RemoteLock {
  readonly kind: 'read' | 'write'
  readonly start: string
  readonly end: string
  readonly pid: number
  readonly isOwnSession: boolean
}

export type RemoteLockAnswer =
  | { readonly state: 'done'; readonly etag: string; readonly ctime: string }
  | { readonly state: 'held'; readonly by: RemoteLock }
  | { readonly state: 'waiting' }

/** The sessions of mounts, and the locks that they hold. @throws PRECONDITION_FAILED once the session has ended */
export class SessionCalls {
  readonly #send: SendJson

  constructor(send: SendJson) {
    this.#send = send
  }

  /** @throws UNSUPPORTED for an eventual volume */
  begin(
    volume: string,
    settings: { readonly mount: string; readonly about: string; readonly leaseMs?: number },
  ): Promise<{ readonly session: string; readonly leaseMs: number }> {
    return this.#send({ method: 'POST', path: `${volumePath(volume)}/sessions`, ...jsonBody(settings), idempotent: true })
  }

  async renew(
    volume: string,
    session: string,
    options: SignalOption & { readonly silenceTimeoutMs?: number } = {},
  ): Promise<void> {
    await this.#send<undefined>({ method: 'PUT', path: sessionPath(volume, session), ...options })
  }

  async end(volume: string, session: string): Promise<void> {
    await this.#send<undefined>({ method: 'DELETE', path: sessionPath(volume, session) })
  }

  /** With a `wait` the answer may be put off for as long as it says. */
  change(
    volume: string,
    session: string,
    options: SignalOption & { readonly lock: LockToChange; readonly wait?: { readonly ticket: string; readonly waitMs: number } },
  ): Promise<RemoteLockAnswer> {
    const { lock, wait, signal } = options
    const body = { ...lock, ...textOf(lock), ...wait }
    const path = `${sessionPath(volume, session)}/locks`
    return this.#send({ method: 'POST', path, ...jsonBody(body), idempotent: true, signal })
  }

  async find(volume: string, session: string, asked: LockToAsk): Promise<RemoteLock | undefined> {
    const query = new URLSearchParams({ ...asked, ...textOf(asked), inode: String(asked.inode) }).toString()
    const path = `${sessionPath(volume, session)}/locks?${query}`
    return (await this.#send<{ lock: RemoteLock | null }>({ method: 'GET', path })).lock ?? undefined
  }

  /** Whether the lock was there before. */
  async cancel(volume: string, session: string, { ticket, ...asked }: LockToAsk & { readonly ticket: string }): Promise<boolean> {
    const { inode, family, owner, kind } = asked
    const body = { inode, family, owner, kind, ...textOf(asked), ticket }
    const path = `${sessionPath(volume, session)}/locks/cancel`
    return (await this.#send<{ isHeld: boolean }>({ method: 'POST', path, ...jsonBody(body), idempotent: true })).isHeld
  }
}

const textOf = ({ start, end }: { readonly start: bigint; readonly end: bigint }): { start: string; end: string } => ({
  start: String(start),
  end: String(end),
})

function sessionPath(volume: string, session: string): string {
  return `${volumePath(volume)}/sessions/${session}`
}
