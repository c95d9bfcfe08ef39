import { isShoalError, LEADERLESS, ShoalError } from '#foundation/errors.ts'
import { type Log, silentLog } from '#observe/log.ts'
import type { Leader, Leadership } from '#sharedlog/log.ts'
import { toInterval } from './arguments.ts'
import { Gathering } from './gathering.ts'
import { GroupCommitStore } from './group-commit-store.ts'
import { encodeTermEntry, STATE_ID_BYTES } from './log-entry-format.ts'
import { LogFollower } from './log-follower.ts'
import { LogTrimmer } from './log-trimmer.ts'
import { pagedRange } from './paged-range.ts'
import { ReplicatedState } from './replicated-state.ts'
import { TermBase } from './replicated-term.ts'
import type { ReplicatedStoreOptions } from './replicated-options.ts'
import type { StateSnapshot } from './snapshot-transfer.ts'
import type { KeyValue, KeyValueReader, KeyValueStore, LongSnapshot } from './store.ts'
import type { RangeOptions, Snapshot, Transaction, TransactOptions } from './store.ts'
import { TailConfirmation } from './tail-confirmation.ts'
import { WriteSet } from './write-set.ts'

interface Term {
  readonly base: TermBase
  readonly store: GroupCommitStore
  readonly leadership: Leadership
}

const RETRY_MS = 200
const SLOW_RETRY_MS = 1_000

/** One of several copies of a store, which agree by a shared log: the promises of `KeyValueStore` hold over all of them together, and
 *  what was acknowledged survives the loss of any of them, as long as the log does.
 *
 *  - **One leads**, and runs transactions; the batch that is in flight is one append to the log (or several, if it is large), while the next one
 *    collects. Anywhere else `transact` is refused with UNAVAILABLE, whose details name the `leader` and its `address`.
 *  - **Reads are linearizable** everywhere: at the leader under its lease, elsewhere once this copy has all that the log had when the read was
 *    called. `stale` reads what is here, without asking anybody.
 *  - A leader that loses its term fails what is under way with UNAVAILABLE. Details say `ambiguous` of what the log may have all the same: that
 *    shows in what is read afterwards. */
export class ReplicatedStore implements KeyValueStore {
  readonly #options: ReplicatedStoreOptions
  readonly #report: Log
  readonly #state: ReplicatedState
  readonly #follower: LogFollower
  readonly #trimmer: LogTrimmer
  readonly #tail: TailConfirmation
  /** Reads the state, and never writes. */
  readonly #local: GroupCommitStore
  readonly #stopped = new AbortController()
  #resigned = new AbortController()
  readonly #running: Promise<unknown>
  readonly #listeners = new Set<() => void>()
  #holding: Promise<void> | undefined
  #isElected = false
  #campaignFault = ''
  #term: Term | undefined
  #leader: Leader | undefined
  #failure: ShoalError | undefined
  #closing: Promise<void> | undefined

  constructor(options: ReplicatedStoreOptions) {
    const { base, log, clock, report = silentLog, snapshots, keep, onFailure } = options
    this.#options = options
    this.#report = report
    this.#state = new ReplicatedState(base, clock, onFailure)
    this.#trimmer = new LogTrimmer({ log, keep, report })
    this.#tail = new TailConfirmation({ log, state: this.#state, clock, askLeader: () => this.#askLeader() })
    this.#local = new GroupCommitStore(this.#state)
    const onEntry = (index: number, bytes: number): void => this.#trimmer.note(index, bytes)
    this.#follower = new LogFollower({ state: this.#state, log, clock, report, snapshots, onEntry })
    this.#running = Promise.all([this.#run(), this.#watchLeader()])
  }

  /** Reads what this copy has, however old that is. */
  get stale(): KeyValueReader {
    return this.#local
  }

  get isLeading(): boolean {
    return this.term !== undefined
  }

  /** The epoch of this node's term, while it leads. */
  get term(): number | undefined {
    const leadership = this.#term?.leadership
    return leadership === undefined || leadership.lost.aborted ? undefined : leadership.epoch
  }

  /** Whether what this copy has is the newest there is at this moment, by its lease: without asking anybody. */
  get isLeased(): boolean {
    return this.#term?.leadership.isLeased() === true
  }

  /** Who leads, as far as this node has heard. */
  get leader(): Leader | undefined {
    return this.#leader
  }

  /** Why this copy takes no more of the log, if so. */
  get failure(): ShoalError | undefined {
    return this.#failure
  }

  /** Calls `tell` whenever `term` or `leader` may have changed, until the returned function is called. */
  onLeadership(tell: () => void): () => void {
    this.#listeners.add(tell)
    return () => this.#listeners.delete(tell)
  }

  /** Resolves when this copy has all that the log had at the call, or at some moment of the `withinMs` before it. @throws as a read does */
  async confirm(withinMs = 0): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    return this.#tail.confirm(withinMs)
  }

  /** Whether `confirm` would resolve without asking anybody. */
  get isConfirmed(): boolean {
    return this.#failure === undefined && this.#tail.isConfirmed
  }

  /** Where the log ends, for whoever follows: by the lease of this node, so none if it doesn't lead. */
  readonly leadersEnd = async () => this.#term?.base.end()
  /** By the same lease. */
  readonly promiseQuiet = () => this.#term?.store.promiseQuiet() ?? 0

  /** Calls `tell` whenever keys that begin with `prefix` have changed, before anybody can be sure to see it. */
  onWrites(prefix: Uint8Array, tell: () => void): void {
    this.#state.onWrites(prefix, tell)
  }

  /** The last entry of the log that has been seen here. */
  get position(): number {
    return this.#state.position
  }

  /** This copy as it is now, for another one. @throws UNAVAILABLE */
  snapshot(): StateSnapshot {
    return this.#state.snapshot()
  }

  get(key: Uint8Array): Promise<Buffer | undefined> {
    return this.read((snapshot) => snapshot.get(key))
  }

  async read<T>(fn: (snapshot: Snapshot) => T): Promise<T> {
    const term = await this.#ready()
    const result = this.#local.read(fn)
    // It has run: now is the time to ask.
    return term === undefined || term.leadership.isLeased() ? result : this.#stillLed(term, result)
  }

  async openSnapshot(): Promise<LongSnapshot> {
    const term = await this.#ready()
    const snapshot = await this.#local.openSnapshot()
    try {
      return term === undefined ? snapshot : await this.#stillLed(term, Promise.resolve(snapshot))
    } catch (error) {
      snapshot.close()
      throw error
    }
  }

  range(options: RangeOptions): AsyncIterableIterator<KeyValue> {
    return pagedRange(this, toInterval(options))
  }

  async transact<T>(fn: (transaction: Transaction) => T, options?: TransactOptions): Promise<T> {
    this.#checkOpen()
    const term = this.#term
    if (term === undefined || term.leadership.lost.aborted) throw this.#refusal()
    let hasWritten = false
    const running = term.store.transact((transaction) => {
      const result = fn(transaction)
      hasWritten = transaction.writtenBytes > 0
      return result
    }, options)
    if (hasWritten) return running
    // Nothing goes to the log that would tell whether this node still leads. A failure of the callback is an answer, too.
    return this.#stillLed(term, running)
  }

  /** Leads no more: ends the term, if there is one, with what is under way in the log, and campaigns for no other until it is told to. It
   *  goes on following. */
  async resign(): Promise<void> {
    this.#resigned.abort()
    await this.#holding
  }

  campaignAgain(): void {
    if (this.#resigned.signal.aborted) this.#resigned = new AbortController()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#term?.store.close()
    this.#stopped.abort()
    await this.#running
    await this.#local.close()
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new ShoalError('UNAVAILABLE', 'The key-value store is closed')
  }

  /** Resolves when this copy has whatever anybody may have seen before the call. The term, if that rests on its lease. */
  async #ready(): Promise<Term | undefined> {
    this.#checkOpen()
    const term = this.#term
    if (term?.leadership.isLeased() === true) {
      const { inFlight } = term.base
      if (inFlight === undefined) return term
      // Others may see what the log has before its answer is here. What is appended after this is newer than the call.
      await inFlight
      if (term.leadership.isLeased()) return term
    }
    if (this.#failure !== undefined) throw this.#failure
    await this.#tail.confirm()
    this.#checkOpen()
    return undefined
  }

  /** Passes on what a leader has found out, if it led when it did: it still does, and by its lease or the log's word nobody else
   *  can have written since. */
  async #stillLed<T>({ leadership }: Term, answer: Promise<T>): Promise<T> {
    // What it was is passed on below.
    await answer.catch(() => {})
    if (!leadership.isLeased()) {
      const { lost } = leadership
      if (!lost.aborted) await Promise.race([this.#tail.confirm(), untilAborted(lost)])
      if (lost.aborted) throw this.#refusal()
    }
    return answer
  }

  #askLeader() {
    const { askLeader, candidate } = this.#options
    if (this.#leader === undefined || this.#isElected || this.#leader.id === candidate?.id) return undefined
    return askLeader?.(this.#leader)
  }

  #refusal(): ShoalError {
    if (this.#failure !== undefined) return this.#failure
    const { candidate } = this.#options
    const leader = this.#leader
    if (leader === undefined || leader.id === candidate?.id) {
      return new ShoalError('UNAVAILABLE', 'No node leads the metadata at the moment: try again shortly', { details: LEADERLESS })
    }
    return new ShoalError('UNAVAILABLE', `The metadata is led by node "${leader.id}" at ${leader.address}`, {
      details: { leader: leader.id, address: leader.address },
    })
  }

  /** Follows, campaigns and leads, in turns, until closed. */
  async #run(): Promise<void> {
    const stopped = this.#stopped.signal
    while (!stopped.aborted && this.#failure === undefined) {
      const enough = new AbortController()
      const failed = new AbortController()
      const following = this.#follower.follow(AbortSignal.any([stopped, enough.signal])).catch((error: unknown) => {
        this.#fail(error)
        failed.abort()
      })
      const leadership = await this.#elected(AbortSignal.any([stopped, failed.signal]))
      const upToDate = async (lost: AbortSignal): Promise<void> => {
        await this.#caughtUp(AbortSignal.any([lost, stopped, failed.signal]))
        enough.abort()
        await following
      }
      let hasLed = true
      // Nobody else has a word about the log from now on.
      this.#isElected = leadership !== undefined
      if (this.#isElected) this.#campaignFault = ''
      this.#holding = leadership === undefined ? undefined : this.#hold(leadership, upToDate).then((has) => void (hasLed = has))
      await this.#holding
      this.#isElected = false
      // Somebody else may be able to.
      if (!hasLed) await this.#pause(SLOW_RETRY_MS)
      enough.abort()
      await following
    }
  }

  /** From an election to the end of the term; false if this node couldn't lead. */
  async #hold(leadership: Leadership, upToDate: (lost: AbortSignal) => Promise<void>): Promise<boolean> {
    await upToDate(leadership.lost)
    const hasLed = !leadership.lost.aborted && this.#failure === undefined && (await this.#lead(leadership))
    await leadership.resign()
    return hasLed
  }

  /** A term, or none because `signal` was aborted, or this node has resigned. */
  async #elected(signal: AbortSignal): Promise<Leadership | undefined> {
    const { log, candidate } = this.#options
    // Whoever can't lead leaves it to others.
    while ((this.#follower.isUnfit || this.#resigned.signal.aborted) && !signal.aborted) await this.#pause(RETRY_MS)
    const resigned = this.#resigned.signal
    try {
      if (candidate !== undefined) return await log.lead(candidate, AbortSignal.any([signal, resigned]))
    } catch (error) {
      if (signal.aborted || resigned.aborted) return undefined
      const reason = (error as Error).message
      if (reason !== this.#campaignFault) this.#report.warn('This node cannot campaign', { error })
      this.#campaignFault = reason
      await this.#pause(SLOW_RETRY_MS)
      return undefined
    }
    await untilAborted(signal)
    return undefined
  }

  /** Has seen all that the log had when this node was elected; it gives up when that can't be. */
  async #caughtUp(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#follower.needsSnapshot) {
      try {
        return await this.#tail.confirm()
      } catch (error) {
        if (!isShoalError(error, 'UNAVAILABLE')) return this.#fail(error)
        await this.#pause(RETRY_MS)
      }
    }
  }

  /** Leads until the term is over; false if it couldn't begin. */
  async #lead(leadership: Leadership): Promise<boolean> {
    try {
      const base = await this.#opened(leadership)
      if (base === undefined) return false
      const store = new GroupCommitStore(base, {
        onCommit: this.#options.onCommit,
        gathering: new Gathering(this.#options.clock),
      })
      this.#term = { base, store, leadership }
      this.#tell()
      this.#report.info('This node leads the metadata', { epoch: leadership.epoch })
      await untilAborted(AbortSignal.any([leadership.lost, this.#stopped.signal, this.#resigned.signal]))
      this.#term = undefined
      this.#tell()
      await store.close()
      this.#report.info('This node no longer leads the metadata', { epoch: leadership.epoch })
      return true
    } catch (error) {
      this.#report.warn('This node could not begin to lead', { error })
      return false
    }
  }

  /** Appends the entry that begins the term; none if it is over, or if this copy isn't as far as the log. */
  async #opened(leadership: Leadership): Promise<TermBase | undefined> {
    const { log, clock, random } = this.#options
    const { last } = await log.bounds()
    const state = this.#state
    if (state.position !== last || state.applied > last) return undefined
    const stateId = state.stateId ?? random.bytes(STATE_ID_BYTES)
    const isOnOlderState = last === 0 && !state.isEmpty
    if (isOnOlderState) await state.found(stateId)
    const onAppended = (index: number, bytes: number): void => this.#trimmer.appended(index, bytes, state.durable)
    const base = new TermBase(state, { last, stateId, log, leadership, clock, onAppended })
    if (!(await base.append(encodeTermEntry(stateId, isOnOlderState)))) return undefined
    state.take(new WriteSet(), last + 1, stateId)
    return base
  }

  async #watchLeader(): Promise<void> {
    const { log } = this.#options
    const stopped = this.#stopped.signal
    while (!stopped.aborted) {
      try {
        for await (const leader of log.leaders(stopped)) this.#heard(leader)
      } catch {
        this.#heard(undefined)
      }
      await this.#pause(RETRY_MS)
    }
  }

  #heard(leader: Leader | undefined): void {
    if (leader?.epoch !== this.#leader?.epoch) this.#tail.leaderChanged()
    this.#leader = leader
    this.#tell()
  }

  #tell(): void {
    for (const tell of this.#listeners) tell()
  }

  #fail(error: unknown): void {
    this.#failure ??= isShoalError(error) ? error : new ShoalError('INTERNAL', 'The replica failed', { cause: error })
    this.#report.error('This node takes no more of the metadata', { error })
  }

  readonly #pause = (delayMs: number) => this.#options.clock.sleep(delayMs, this.#stopped.signal).catch(() => {})
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}
