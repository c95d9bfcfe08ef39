import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { LogEntry, SharedLog } from '#sharedlog/log.ts'
import { decodeEntry, LogSteps } from './log-entry-format.ts'
import type { ReplicatedState } from './replicated-state.ts'
import type { SnapshotSource } from './snapshot-transfer.ts'
import { WriteSet } from './write-set.ts'

/** Before the log is asked again that couldn't be reached, and before anything else is tried again. */
const RETRY_MS = 100
const SLOW_RETRY_MS = 1_000

export interface LogFollowerOptions {
  readonly state: ReplicatedState
  readonly log: SharedLog
  readonly clock: Clock
  readonly report: Log
  readonly snapshots: SnapshotSource | undefined
  readonly onEntry: (index: number, bytes: number) => void
}

/** Brings what others append into the state. */
export class LogFollower {
  readonly #options: LogFollowerOptions
  #needsSnapshot: boolean

  constructor(options: LogFollowerOptions) {
    this.#options = options
    this.#needsSnapshot = !options.state.isWhole
  }

  /** Whether the state can't go on from where it is. */
  get needsSnapshot(): boolean {
    return this.#needsSnapshot
  }

  /** Whether nobody should be led by this copy: it lacks a part of the log, or can't be kept on the disk any more. */
  get isUnfit(): boolean {
    return this.#needsSnapshot || this.#options.state.failure !== undefined
  }

  /** Follows until `signal` is aborted. @throws what no further try can mend */
  async follow(signal: AbortSignal): Promise<void> {
    const { clock, report } = this.#options
    while (!signal.aborted) {
      try {
        if (this.#needsSnapshot) await this.#install(signal)
        await this.#read(signal)
        // The log was closed under it.
        await clock.sleep(SLOW_RETRY_MS, signal)
      } catch (error) {
        if (signal.aborted) return
        const delayMs = this.#mend(error)
        report.debug('Following the shared log was interrupted', { error })
        await clock.sleep(delayMs, signal).catch(() => {})
      }
    }
  }

  /** How long to wait before it makes sense to try again. */
  #mend(error: unknown): number {
    if (isShoalError(error, 'UNAVAILABLE')) return RETRY_MS
    if (isShoalError(error, 'NO_SPACE')) return SLOW_RETRY_MS
    if (!isShoalError(error, 'CURSOR_TOO_OLD')) throw error
    this.#needsSnapshot = true
    return this.#options.snapshots === undefined ? SLOW_RETRY_MS : 1
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { log, state, onEntry } = this.#options
    // A step that wasn't complete begins anew.
    const steps = new LogSteps()
    // The last entry that is here is read again, to see that it is of this log.
    for await (const entries of log.read(Math.max(state.applied, 1), signal)) {
      await state.room()
      for (const entry of entries) {
        this.#take(entry, steps)
        onEntry(entry.index, entry.bytes.length)
      }
    }
  }

  #take(entry: LogEntry, steps: LogSteps): void {
    const { state } = this.#options
    const decoded = decodeEntry(entry)
    if (state.stateId !== undefined && !state.stateId.equals(decoded.stateId)) {
      throw new ShoalError(
        'DATA_IN_USE',
        'The data folder belongs to another cluster than the shared log: choose the right one of both',
      )
    }
    const step = entry.index <= state.applied ? undefined : steps.take(entry, decoded)
    if (step === undefined) return state.pass(entry.index)
    if (step.kind === 'writes') return state.take(step.writes, step.index)
    if (state.stateId === undefined) this.#checkJoining(step.isOnOlderState)
    state.take(new WriteSet(), step.index, Buffer.from(decoded.stateId))
  }

  /** This node has no state of the log yet, and meets its first entry. */
  #checkJoining(isOnOlderState: boolean): void {
    if (isOnOlderState) throw new ShoalError('CURSOR_TOO_OLD', 'The log rests on a state that is older than it')
    if (this.#options.state.isEmpty) return
    throw new ShoalError(
      'DATA_IN_USE',
      'The data folder has metadata of its own, and cannot join a cluster: choose an empty folder',
    )
  }

  async #install(signal: AbortSignal): Promise<void> {
    const { snapshots, state, report, clock } = this.#options
    if (snapshots === undefined)
      throw new ShoalError('UNAVAILABLE', 'This node is too far behind, and knows nobody who could send a snapshot')
    const beginMs = clock.monotonicMs()
    const snapshot = await snapshots.fetchSnapshot(signal)
    if (state.stateId !== undefined && !state.stateId.equals(snapshot.stateId))
      throw new ShoalError('DATA_IN_USE', 'The snapshot is of another cluster than the data folder')
    await state.install(snapshot)
    this.#needsSnapshot = false
    report.info('Installed a snapshot of the metadata', { index: snapshot.index, ms: Math.round(clock.monotonicMs() - beginMs) })
  }
}
