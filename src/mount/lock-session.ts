import { Gate } from '#client/gate.ts'
import type { LockToChange, RemoteLockAnswer, SessionCalls } from '#client/session-calls.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { parseTimestamp } from '#foundation/timestamp.ts'
import type {
  FileLockService,
  LockedFile,
  LockInTheWay,
  LockTerm,
  MountLock,
  WantedLock,
} from '#gateway/fuse/file-lock-service.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { endFormer } from './end-former.ts'
import { versionOf } from './remote-attributes.ts'
import type { NotedSession, SessionNote } from './session-note.ts'

/** How long locks outlive the mount that held them: a machine that is busy or a node that fails over must not lose them. */
export const LEASE_MS = 30_000
/** Three tries before a lease is over. */
const RENEWALS_PER_LEASE = 3
/** Each waiting lock is a call that isn't answered for long; the client has 32 connections for all calls. */
const POLLS_MAX = 16
const POLL_MS_MAX = 5_000
/** While more wait than there are calls, so that each makes way for the next one. */
const POLL_MS_MIN = 500
/** As many as the session of the kernel lets wait. */
const WAITS_MAX = 1_024
const RETRY_MS = 1_000
/** Locks that could not be given up, since nobody was there; past it they go with the session. */
const OWED_MAX = 1_000

export interface LockSessionOptions {
  readonly sessions: SessionCalls
  readonly volume: string
  readonly mountId: string
  /** What others are shown. */
  readonly about: string
  readonly clock: Clock
  readonly log: Log
  readonly leaseMs?: number | undefined
}

/** What a mount that was killed leaves to the next one of its directory. */
export interface TakingOver {
  /** `undefined` while an earlier mount has it. */
  readonly takeNote: () => SessionNote | undefined
  /** Resolves when the cluster has what the earlier mount had changed. */
  readonly sent: () => Promise<void>
}

interface Waiting {
  readonly ticket: string
  readonly waitMs: number
  readonly term: Term
  readonly signal: AbortSignal
}

/** One session at the node, which may end before it is known to. */
class Term implements LockTerm {
  readonly id: string
  readonly leaseMs: number
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #untilMs = 0
  #isEnded = false

  constructor({ session, leaseMs }: { session: string; leaseMs: number }, clock: Pick<Clock, 'monotonicMs'>, heardMs: number) {
    this.id = session
    this.leaseMs = leaseMs
    this.#clock = clock
    this.heard(heardMs)
  }

  get isAlive(): boolean {
    return !this.#isEnded && this.#clock.monotonicMs() < this.#untilMs
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** The node has answered what was sent at `sentMs`: it counts from then on at the earliest. */
  heard(sentMs: number): void {
    this.#untilMs = sentMs + this.leaseMs
  }

  ended(): void {
    this.#isEnded = true
  }
}

/** The session of a mount, renewed for as long as it runs, and the locks that it holds. */
export class LockSession implements FileLockService {
  readonly #options: LockSessionOptions
  readonly #stop = new AbortController()
  readonly #polls = new Gate({ limit: POLLS_MAX, maxWaiting: WAITS_MAX })
  readonly #owed: MountLock[] = []
  /** Ends the pause before the next renewal. */
  #nudge = new AbortController()
  #waits = 0
  #tickets = 0
  #term: Term
  #takingOver: TakingOver | undefined
  #note: SessionNote | undefined
  #former: readonly NotedSession[] = []
  #ending: Promise<void> | undefined

  private constructor(options: LockSessionOptions, term: Term) {
    this.#options = options
    this.#term = term
  }

  /** `undefined` for a volume whose locks don't hold across machines, or at a node that knows of none. @throws what calls throw */
  static async begin(options: LockSessionOptions): Promise<LockSession | undefined> {
    try {
      const session = new LockSession(options, await beginTerm(options))
      void session.#run()
      return session
    } catch (error) {
      if (isShoalError(error, 'UNSUPPORTED') || isShoalError(error, 'NOT_FOUND')) return undefined
      throw error
    }
  }

  get term(): LockTerm {
    return this.#term
  }

  /** Ends the sessions of earlier mounts that were killed, and writes its own down for the next one. Until then nobody gets a lock: a
   *  program that finds what the dead had locked takes them for alive, and SQLite what they had in shared memory for what is there. */
  takeOver(takingOver: TakingOver): void {
    this.#takingOver = takingOver
    this.#takeNote()
  }

  #takeNote(): void {
    if (this.#note !== undefined || this.#takingOver === undefined || this.#stop.signal.aborted) return
    const { takeNote, sent } = this.#takingOver
    try {
      this.#note = takeNote()
    } catch (error) {
      this.#takingOver = undefined
      this.#options.log.warn('The session of the mount can’t be written down: killed, it keeps its locks for their lease', {
        error,
      })
    }
    this.#former = this.#note?.former ?? []
    this.#writeNote()
    if (this.#former.length === 0) return
    this.#ending = endFormer({ ...this.#options, former: this.#former, sent }).finally(() => {
      this.#ending = undefined
      this.#former = []
      if (!this.#stop.signal.aborted) this.#writeNote()
    })
  }

  #writeNote(): void {
    const { id, leaseMs } = this.#term
    this.#note?.write([...this.#former, { session: id, leaseMs }])
  }

  /** Ends it, and gives up its locks at once. */
  async end(): Promise<void> {
    this.#stop.abort()
    const { sessions, volume, log } = this.#options
    try {
      await sessions.end(volume, this.#term.id)
      this.#note?.write(this.#former)
    } catch (error) {
      log.warn('The session of the mount could not be ended: its locks go when its lease is over', { error })
    }
    await this.#note?.close()
  }

  async find(lock: WantedLock): Promise<LockInTheWay | undefined> {
    await this.#ending
    const { inode, family, owner, kind, start, end } = lock
    const { sessions, volume } = this.#options
    const found = await sessions.find(volume, this.#term.id, { inode, family, owner, kind, start, end })
    if (found === undefined) return undefined
    return {
      kind: found.kind,
      start: BigInt(found.start),
      end: BigInt(found.end),
      pid: found.isOwnSession ? found.pid : undefined,
    }
  }

  async change(lock: MountLock): Promise<LockedFile | undefined> {
    if (lock.kind !== 'unlock') {
      await this.#ending
      await this.#settle(lock)
    }
    try {
      const answer = await this.#ask(lock)
      return answer.state === 'done' ? fileOf(answer) : undefined
    } catch (error) {
      if (lock.kind !== 'unlock') throw error
      // They are gone with the session, or the file.
      if (!isShoalError(error, 'PRECONDITION_FAILED') && !isShoalError(error, 'NOT_FOUND')) this.#owe(lock)
      return undefined
    }
  }

  async wait(lock: WantedLock, signal: AbortSignal): Promise<LockedFile> {
    await this.#formerEnded(signal)
    await this.#settle(lock)
    this.#tickets += 1
    const ticket = String(this.#tickets)
    const term = this.#term
    this.#waits += 1
    try {
      const how = { ticket, term, signal }
      // It may be long until one of the others makes way: what is free is had at once.
      let answer = this.#waits > POLLS_MAX ? await this.#tried(lock, { ...how, waitMs: 0 }) : undefined
      while (answer?.state !== 'done') answer = await this.#poll(lock, how)
      return fileOf(answer)
    } catch (error) {
      if (!signal.aborted) throw error
      const had = await this.#cancelled(lock, ticket)
      if (had !== undefined) return had
      throw new ShoalError('CANCELLED', 'Nobody waits for the lock any more', { cause: error })
    } finally {
      this.#waits -= 1
    }
  }

  async #formerEnded(signal: AbortSignal): Promise<void> {
    if (this.#ending === undefined) return
    const aborted = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => aborted.resolve(), { once: true })
    await Promise.race([this.#ending, aborted.promise])
    if (signal.aborted) throw new ShoalError('CANCELLED', 'Nobody waits for the lock any more')
  }

  async #poll(lock: WantedLock, how: Omit<Waiting, 'waitMs'>): Promise<RemoteLockAnswer | undefined> {
    const turn = this.#polls.enter(how.signal)
    if (turn !== undefined) await turn
    try {
      return await this.#tried(lock, { ...how, waitMs: this.#waits > POLLS_MAX ? POLL_MS_MIN : POLL_MS_MAX })
    } finally {
      this.#polls.leave()
    }
  }

  /** Nothing if the node could not be reached for now. */
  async #tried(lock: WantedLock, { ticket, waitMs, term, signal }: Waiting): Promise<RemoteLockAnswer | undefined> {
    try {
      return await this.#ask(lock, { wait: { ticket, waitMs }, signal })
    } catch (error) {
      const isPassing = isShoalError(error) && error.retry === 'after-delay'
      if (!isPassing || !term.isAlive || signal.aborted) throw error
      await this.#options.clock.sleep(RETRY_MS, signal)
      return undefined
    }
  }

  /** What was got before it was cancelled. */
  async #cancelled(lock: WantedLock, ticket: string): Promise<LockedFile | undefined> {
    const { inode, family, owner, kind, start, end } = lock
    const { sessions, volume } = this.#options
    try {
      const isHeld = await sessions.cancel(volume, this.#term.id, { inode, family, owner, kind, start, end, ticket })
      return isHeld ? await this.change(lock) : undefined
    } catch {
      // Whatever it was, it is given up when the file is closed.
      return undefined
    }
  }

  async #ask(
    { inode, family, owner, kind, start, end, pid }: MountLock,
    more: { readonly wait?: { readonly ticket: string; readonly waitMs: number }; readonly signal?: AbortSignal } = {},
  ): Promise<RemoteLockAnswer> {
    const { sessions, volume } = this.#options
    const term = this.#term
    const lock: LockToChange = { inode, family, owner, kind, start, end, pid }
    try {
      return await sessions.change(volume, term.id, { lock, ...more })
    } catch (error) {
      if (isShoalError(error, 'PRECONDITION_FAILED')) {
        term.ended()
        this.#nudge.abort()
      }
      throw error
    }
  }

  #owe(lock: MountLock): void {
    if (this.#owed.length < OWED_MAX) this.#owed.push(lock)
    else this.#term.ended()
  }

  /** Gives up what could not be given up before, lest it is given up after it was taken anew. @throws what calls throw */
  async #settle(wanted?: MountLock): Promise<void> {
    if (this.#owed.length === 0) return
    const mine = this.#owed.filter((lock) => wanted === undefined || lock.inode === wanted.inode)
    for (const lock of mine) {
      await this.#ask(lock).catch((error: unknown) => {
        if (!isShoalError(error, 'PRECONDITION_FAILED') && !isShoalError(error, 'NOT_FOUND')) throw error
      })
      this.#owed.splice(this.#owed.indexOf(lock), 1)
    }
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#stop
    for (let isLate = false; ;) {
      this.#nudge = new AbortController()
      const pause = AbortSignal.any([signal, this.#nudge.signal])
      await clock.sleep(this.#term.leaseMs / RENEWALS_PER_LEASE, pause).catch(() => undefined)
      if (signal.aborted) return
      try {
        await this.#renew()
        this.#takeNote()
        await this.#settle()
        isLate = false
      } catch (error) {
        if (signal.aborted) return
        if (!isLate)
          log.warn('The session of the mount could not be renewed: its locks are lost when its lease is over', { error })
        isLate = true
      }
    }
  }

  async #renew(): Promise<void> {
    const { sessions, volume, clock, log } = this.#options
    const term = this.#term
    const sentMs = clock.monotonicMs()
    const silenceTimeoutMs = Math.ceil(term.leaseMs / RENEWALS_PER_LEASE)
    try {
      if (!term.isEnded) {
        await sessions.renew(volume, term.id, { signal: this.#stop.signal, silenceTimeoutMs })
        term.heard(sentMs)
        return
      }
    } catch (error) {
      if (!isShoalError(error, 'PRECONDITION_FAILED')) throw error
      term.ended()
    }
    log.warn('The session of the mount has ended: files that were locked in it fail until they are closed')
    this.#owed.length = 0
    this.#term = await beginTerm(this.#options)
    this.#writeNote()
  }
}

async function beginTerm({ sessions, volume, mountId, about, clock, leaseMs = LEASE_MS }: LockSessionOptions): Promise<Term> {
  const sentMs = clock.monotonicMs()
  return new Term(await sessions.begin(volume, { mount: mountId, about, leaseMs }), clock, sentMs)
}

function fileOf({ etag, ctime }: { readonly etag: string; readonly ctime: string }): LockedFile {
  return { version: versionOf(etag), ctimeNs: parseTimestamp(ctime, 'ctime') }
}
