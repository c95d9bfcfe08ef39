import { isShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { type Awaited, changeFileLock, type FileLockChange, type FileLockOutcome, listFileLocks } from '#metadata/file-locks.ts'
import { volumePrefix } from '#metadata/keys.ts'
import { covers, type FileLockKind } from '#metadata/lock-ranges.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { endSession, listSessions, type MountSession, requireSession } from '#metadata/mount-sessions.ts'
import { type VolumeTransaction, VolumeView } from '#metadata/transaction.ts'
import { listVolumes } from '#metadata/volumes.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { FileLockAnswer, FileLockWait } from './file-locks.ts'
import { LockLine, type LockWait, type WaitResult } from './lock-line.ts'

/** How much later than its lease a session may end. */
const TICK_MS = 1_000
/** Each is a request that is open; past it one waits as if alone, by asking again. */
const WAITS_MAX = 10_000

export interface LockKeeperOptions {
  readonly metadata: Metadata
  readonly clock: Clock
  readonly log: Log
}

interface Asked {
  readonly change: FileLockChange
  readonly principal: string
  readonly wait: FileLockWait | undefined
}

interface Heard {
  readonly volume: VolumeHandle
  readonly session: MountSession
  atMs: number
}

interface Line {
  readonly volume: VolumeHandle
  readonly inode: InodeId
  readonly waits: LockLine
  /** Somebody is being served; `again` if more came meanwhile. */
  isServing: boolean
  again: boolean
}

/** What the node that leads keeps in mind of the locks of its volumes: when each session was last heard of, and who waits. The locks
 *  themselves are in the metadata. */
export class LockKeeper {
  readonly #options: LockKeeperOptions
  readonly #sessions = new Map<string, Heard>()
  readonly #lines = new Map<string, Line>()
  #waits = 0
  #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: LockKeeperOptions) {
    this.#options = options
  }

  /** From now on sessions end when their leases do. Those that there are begin their leases anew: nobody has heard of them while
   *  nobody led. Not while it runs; it may have run before. */
  start(): void {
    this.#stop = new AbortController()
    this.#sessions.clear()
    this.#running = this.#run(this.#stop.signal)
  }

  /** Those who wait are told to ask again, wherever they find somebody who leads. */
  async stop(): Promise<void> {
    this.#stop.abort()
    for (const { waits } of this.#lines.values()) waits.close()
    this.#lines.clear()
    await this.#running
    this.#sessions.clear()
  }

  heardOf(volume: VolumeHandle, session: MountSession): void {
    this.#sessions.set(sessionKeyOf(volume, session.id), { volume, session, atMs: this.#options.clock.monotonicMs() })
  }

  /** @throws FORBIDDEN if it is another principal's; without a principal it is ended whosever it is */
  async end(volume: VolumeHandle, id: string, principal?: string): Promise<void> {
    const step = (t: VolumeTransaction): ReadonlySet<InodeId> => {
      if (principal !== undefined) requireSession(t, id, principal)
      return endSession(t, id)
    }
    try {
      const inodes = await this.#options.metadata.transact(volume, principal ?? '', step, { frees: true })
      this.#forget(volume, id)
      for (const inode of inodes) this.#serve(volume, inode)
    } catch (error) {
      if (!isShoalError(error, 'PRECONDITION_FAILED')) throw error
      this.#forget(volume, id)
    }
  }

  async change(volume: VolumeHandle, asked: Asked): Promise<FileLockAnswer> {
    const { change, principal, wait } = asked
    const line = this.#lines.get(lineKeyOf(volume, change.inode))
    const waiting = wait === undefined ? undefined : waitOf(asked, wait)
    const ahead = waiting === undefined ? [] : (line?.waits.ahead(waiting, this.#options.clock.monotonicMs()) ?? [])
    const outcome = await this.#options.metadata.transact(
      volume,
      principal,
      (t) => attempt(t, { change, principal, ahead }),
      change.kind === 'unlock' ? { frees: true } : undefined,
    )
    this.heardOf(volume, outcome.session)
    const { result } = outcome
    if (waiting !== undefined && result.state === 'done') line?.waits.leave(waiting)
    if (result.frees) this.#serve(volume, change.inode)
    if (result.state === 'done') return { state: 'done', attributes: result.attributes }
    if (wait !== undefined && waiting !== undefined) return this.#wait(volume, waiting, wait)
    return result.state === 'held' ? { state: 'held', by: result.by } : { state: 'waiting' }
  }

  async cancel(
    volume: VolumeHandle,
    asked: {
      readonly change: FileLockChange & { readonly kind: FileLockKind }
      readonly ticket: string
      readonly principal: string
    },
  ): Promise<boolean> {
    const { change, ticket, principal } = asked
    const line = this.#lines.get(lineKeyOf(volume, change.inode))
    if (line?.waits.leave({ ticket, change }) === true) this.#serve(volume, change.inode)
    return this.#options.metadata.read(volume, (view) => {
      requireSession(view, change.session, principal)
      const own = [...listFileLocks(view, change.inode)].filter(
        ({ session, owner, family }) => session === change.session && owner === change.owner && family === change.family,
      )
      return covers(own, change)
    })
  }

  async #wait(volume: VolumeHandle, waiting: LockWait, { waitMs, signal }: FileLockWait): Promise<FileLockAnswer> {
    const { clock } = this.#options
    const stopping = this.#stop.signal
    if (stopping.aborted || signal?.aborted === true || this.#waits >= WAITS_MAX) return { state: 'waiting' }
    const line = this.#lineOf(volume, waiting.change.inode)
    const heard = Promise.withResolvers<WaitResult>()
    const enough = new AbortController()
    const over = (): void => {
      line.waits.stepAside(waiting, clock.monotonicMs())
      heard.resolve({ state: 'waiting' })
    }
    this.#waits += 1
    signal?.addEventListener('abort', over)
    try {
      line.waits.enter(waiting, clock.monotonicMs(), heard.resolve)
      const aside = (error: unknown): void => void error
      clock.sleep(waitMs, enough.signal).then(over, aside)
      const patienceMs = line.waits.patienceMs(waiting, clock.monotonicMs())
      if (patienceMs < waitMs) clock.sleep(patienceMs, enough.signal).then(() => this.#serve(volume, waiting.change.inode), aside)
      // What was in the way may be gone since it was looked for.
      this.#serve(volume, waiting.change.inode)
      const result = await heard.promise
      if (result.state === 'failed') throw result.value
      return result.state === 'done' ? (result.value as FileLockAnswer) : { state: 'waiting' }
    } finally {
      this.#waits -= 1
      enough.abort()
      signal?.removeEventListener('abort', over)
    }
  }

  #lineOf(volume: VolumeHandle, inode: InodeId): Line {
    const key = lineKeyOf(volume, inode)
    let line = this.#lines.get(key)
    if (line === undefined) {
      line = { volume, inode, waits: new LockLine(), isServing: false, again: false }
      this.#lines.set(key, line)
    }
    return line
  }

  /** Something may have become free: gives it to those who wait, the first one first. */
  #serve(volume: VolumeHandle, inode: InodeId): void {
    const line = this.#lines.get(lineKeyOf(volume, inode))
    if (line === undefined) return
    line.again = true
    if (line.isServing) return
    line.isServing = true
    void this.#serveAll(line).catch((error: unknown) => {
      line.isServing = false
      this.#options.log.warn('Those who wait for a lock could not be served: they ask again', { error })
    })
  }

  async #serveAll(line: Line): Promise<void> {
    while (line.again) {
      line.again = false
      const present = line.waits.present()
      if (present.length === 0) break
      const nowMs = this.#options.clock.monotonicMs()
      const turns = present.map((wait) => ({ wait, ahead: line.waits.ahead(wait, nowMs) }))
      const results = await this.#options.metadata.transact(line.volume, '', (t) => turns.map((turn) => serveOne(t, turn)))
      for (const { wait, result, frees } of results) {
        if (result !== undefined) line.waits.tell(wait, result)
        if (frees) line.again = true
      }
    }
    line.isServing = false
    if (line.waits.size === 0) this.#lines.delete(lineKeyOf(line.volume, line.inode))
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    for (let isKnown = false; !signal.aborted;) {
      try {
        if (!isKnown) await this.#meet()
        isKnown = true
        await this.#tick()
      } catch (error) {
        if (signal.aborted) return
        log.warn('The sessions of mounts could not be looked after, it is tried again', { error })
      }
      await clock.sleep(TICK_MS, signal).catch(() => undefined)
    }
  }

  /** Hears of every session there is. */
  async #meet(): Promise<void> {
    const found = await this.#options.metadata.readSystem((snapshot) =>
      [...listVolumes(snapshot)].map((volume) => ({
        volume,
        sessions: listSessions(new VolumeView(snapshot, volumePrefix(volume.tenant, volume.id))),
      })),
    )
    for (const { volume, sessions } of found) for (const session of sessions) this.heardOf(volume, session)
  }

  async #tick(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs()
    for (const { volume, session, atMs } of [...this.#sessions.values()]) {
      if (nowMs - atMs <= session.leaseMs) continue
      try {
        await this.end(volume, session.id)
        this.#options.log.info('A mount was not heard of for longer than its lease: its locks are gone', {
          volume: volume.name,
          mount: session.about,
        })
      } catch (error) {
        if (!isShoalError(error, 'VOLUME_NOT_FOUND')) throw error
        this.#forget(volume, session.id)
      }
    }
    for (const [key, line] of this.#lines) {
      const isEnded = (session: string): boolean => !this.#sessions.has(sessionKeyOf(line.volume, session))
      if (line.waits.clear(nowMs, isEnded)) this.#serve(line.volume, line.inode)
      if (line.waits.size === 0 && !line.isServing) this.#lines.delete(key)
    }
  }

  #forget(volume: VolumeHandle, id: string): void {
    this.#sessions.delete(sessionKeyOf(volume, id))
  }
}

interface Turn {
  readonly wait: LockWait
  readonly ahead: readonly Awaited[]
}

interface Served {
  readonly wait: LockWait
  /** `undefined`: it has to go on waiting. */
  readonly result: WaitResult | undefined
  readonly frees: boolean
}

function serveOne(t: VolumeTransaction, { wait, ahead }: Turn): Served {
  try {
    const { change, principal } = wait
    const { result } = t.tx.attempt(() => attempt(t, { change, principal, ahead }))
    const isDone = result.state === 'done'
    const value = isDone ? { state: 'done', attributes: result.attributes } : undefined
    return { wait, result: isDone ? { state: 'done', value } : undefined, frees: result.frees }
  } catch (error) {
    return { wait, result: { state: 'failed', value: error }, frees: false }
  }
}

function attempt(
  t: VolumeTransaction,
  { change, principal, ahead }: { change: FileLockChange; principal: string; ahead: readonly Awaited[] },
): { session: MountSession; result: FileLockOutcome } {
  const session = requireSession(t, change.session, principal)
  return { session, result: changeFileLock(t, change, ahead) }
}

function waitOf({ change, principal }: Asked, { ticket }: FileLockWait): LockWait {
  return { ticket, principal, change: change as LockWait['change'] }
}

const sessionKeyOf = (volume: VolumeHandle, session: string): string => `${volume.tenant}/${volume.id}/${session}`
const lineKeyOf = (volume: VolumeHandle, inode: InodeId): string => `${volume.tenant}/${volume.id}/${inode}`
