import { isShoalError, type ShoalError } from '#foundation/errors.ts'
import type { OwnChanges } from '#gateway/fuse/own-changes.ts'
import type { Path } from '#foundation/path.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import { BatchPace } from './batch-pace.ts'
import { Conflicts, type ConflictsOptions, type Settlement } from './conflicts.ts'
import { EarlyParts, type EarlyPartsOptions } from './early-parts.ts'
import type { PendingTree } from './pending-tree.ts'
import { type PendingEntry, type PendingUnit, QUIET_MS } from './pending-unit.ts'
import type { SmallUpload, StoredFile, UploadResult } from './remote-uploads.ts'
import { asSmall, sendUnit } from './upload-units.ts'

const BATCH_UNITS_MAX = 512
const BATCH_BYTES_MAX = 4 * 1024 * 1024
/** Batches and single units that are under way. */
const BATCHES_MAX = 4
/** As long as one is, or the pace holds it up, the next one waits for so many units: a request costs as much as many. */
const WORTH_UNITS = 128
const SINGLES_MAX = 16
const SLEEP_MS_MAX = 500
const FIRST_DELAY_MS = 250
const DELAY_MS_MAX = 10_000

export interface UploaderOptions extends ConflictsOptions, Pick<EarlyPartsOptions, 'handed' | 'pathOf'> {
  readonly tree: PendingTree
  /** What this mount does itself comes back in the feed. */
  readonly own: OwnChanges
  /** Parts of a file are sent from now on, while it is being written. */
  readonly onBegun: () => void
  /** Units are about to be sent for the first time. */
  readonly onSend: (units: readonly PendingUnit[]) => void
  /** The cluster has a unit; `entries` are those of which nothing is pending any more. */
  readonly onDone: (unit: PendingUnit, entries: readonly PendingEntry[], settlement: Settlement) => void
  /** Of these changes of a unit nothing is left to be done: it was refused, and what it made or wrote is removed again. */
  readonly onNeedless: (unit: PendingUnit, numbers: readonly number[]) => void
  /** The cluster has these contents. */
  readonly onStored?: (files: readonly StoredFile[]) => void
}

interface Batched {
  readonly unit: PendingUnit
  readonly upload: SmallUpload
}

interface Waiter {
  resolve(): void
  reject(error: unknown): void
}

/** Sends what is pending to the cluster: what waits for nothing at once, small changes many in one request. It goes on until it is
 *  stopped, and tries again whatever the cluster doesn't take now. */
export class Uploader {
  readonly conflicts: Conflicts
  readonly #options: UploaderOptions
  readonly #early: EarlyParts
  readonly #waiters = new Map<PendingUnit, Waiter[]>()
  readonly #failures = new Map<PendingUnit, number>()
  /** Of how many of its changes it was said that they are sent. */
  readonly #announced = new WeakMap<PendingUnit, number>()
  /** The cluster may have them, or some of them. */
  readonly #doubtful = new WeakSet<PendingUnit>()
  readonly #stop = new AbortController()
  #wake = Promise.withResolvers<void>()
  /** When it looks again by itself. */
  #wakesMs = Infinity
  #batches = 0
  #singles = 0
  readonly #pace = new BatchPace()
  #lastError: ShoalError | undefined

  constructor(options: UploaderOptions) {
    this.#options = options
    this.conflicts = new Conflicts(options)
    this.#early = new EarlyParts(options)
  }

  /** Why the cluster doesn't take what is pending, if it doesn't. */
  get lastError(): ShoalError | undefined {
    return this.#lastError
  }

  start(): void {
    void this.#run()
  }

  stop(): void {
    this.#stop.abort()
    this.#wake.resolve()
  }

  /** Something has been changed. What waits for its time already is looked at before it. */
  changed(): void {
    if (this.#wakesMs > this.#options.clock.monotonicMs() + QUIET_MS) this.#wake.resolve()
  }

  /** Something was written to a file: if it gets long, it is sent from its beginning on. */
  grown(path: string): void {
    const unit = this.#options.tree.lastAt(path)
    if (unit !== undefined) this.#early.grown(unit)
  }

  /** The journal is full: all of it is to be sent. */
  hasten(): void {
    const { tree } = this.#options
    for (const unit of tree.units) tree.hasten(unit)
    this.#wake.resolve()
  }

  /** Resolves when the cluster has these units. @throws what it says at the next try, which isn't the last */
  async settled(units: Iterable<PendingUnit>): Promise<void> {
    const { tree } = this.#options
    const waits = [...units].map((unit) => {
      tree.hasten(unit)
      return new Promise<void>((resolve, reject) => {
        const waiters = this.#waiters.get(unit)
        if (waiters === undefined) this.#waiters.set(unit, [{ resolve, reject }])
        else waiters.push({ resolve, reject })
      })
    })
    this.#wake.resolve()
    await Promise.all(waits)
  }

  /** It isn't sent any more: what was waited for is gone, or goes with another unit. */
  withdrawn(unit: PendingUnit, into?: PendingUnit): void {
    this.#over(unit)
    const waiters = this.#take(unit)
    if (into !== undefined && waiters.length > 0) this.#waiters.set(into, [...this.#take(into), ...waiters])
    else for (const { resolve } of waiters) resolve()
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    while (!this.#stop.signal.aborted) {
      this.#wake = Promise.withResolvers()
      this.#launch()
      this.#early.sweep()
      const nextMs = this.#nextMs()
      // It isn't called off when something else comes first: that takes longer than to let it run out.
      const waitMs = Math.min(SLEEP_MS_MAX, Math.max(1, (nextMs ?? 0) - clock.monotonicMs()))
      this.#wakesMs = nextMs ?? Infinity
      await Promise.race(nextMs === undefined ? [this.#wake.promise] : [this.#wake.promise, clock.sleep(waitMs)])
    }
  }

  /** When to look again, if nothing wakes it before. */
  #nextMs(): number | undefined {
    const { tree, clock } = this.#options
    if (!this.#hasRoom) return undefined
    const soonMs = clock.monotonicMs() + QUIET_MS
    if (this.#batches > 0) return soonMs
    const nextMs = tree.nextMs()
    if (nextMs === undefined || this.#pace.nextMs <= nextMs) return nextMs
    return Math.min(this.#pace.nextMs, soonMs)
  }

  get #hasRoom(): boolean {
    return this.#batches < BATCHES_MAX && this.#singles < SINGLES_MAX
  }

  #launch(): void {
    const { tree, clock, readJournal } = this.#options
    while (this.#hasRoom) {
      const nowMs = clock.monotonicMs()
      const atLeast = this.#batches === 0 && this.#pace.nextMs <= nowMs ? 1 : WORTH_UNITS
      const units = tree.take(nowMs, { atLeast, atMost: BATCH_UNITS_MAX })
      if (units.length === 0) return
      this.#pace.gone(nowMs)
      if (!this.#announce(units)) return
      let batch: Batched[] = []
      let bytes = 0
      for (const unit of units) {
        let upload: SmallUpload | undefined
        try {
          upload = asSmall(unit, readJournal)
        } catch (error) {
          this.#later(unit, error)
          continue
        }
        if (upload === undefined) {
          void this.#sendSingle(unit)
          continue
        }
        batch.push({ unit, upload })
        bytes += upload.bytes?.length ?? 0
        if (bytes < BATCH_BYTES_MAX) continue
        void this.#sendBatch(batch)
        batch = []
        bytes = 0
      }
      if (batch.length > 0) void this.#sendBatch(batch)
    }
  }

  /** Whoever reads the journal after this process has died must know what may have been done. */
  #announce(units: readonly PendingUnit[]): boolean {
    const fresh = units.filter((unit) => this.#announced.get(unit) !== unit.numbers.length)
    try {
      if (fresh.length > 0) this.#options.onSend(fresh)
      for (const unit of fresh) this.#announced.set(unit, unit.numbers.length)
      return true
    } catch (error) {
      for (const unit of units) this.#later(unit, error)
      return false
    }
  }

  async #sendSingle(unit: PendingUnit): Promise<void> {
    this.#singles += 1
    try {
      const early = this.#early.store(unit)
      const sending = early ?? sendUnit(unit, this.#options)
      // A file that is stored as a whole isn't known to the volume's own book.
      const isStored = early === undefined && unit.kind === 'file' && unit.layer?.isInParts === false
      this.#finish(unit, { entry: isStored ? await this.#owned('names', sending) : await sending, isLost: false })
    } catch (error) {
      await this.#refused(unit, error)
    } finally {
      this.#singles -= 1
      this.#wake.resolve()
    }
  }

  #owned(changed: 'names' | 'contents', sending: Promise<Attributes | undefined>): Promise<Attributes | undefined> {
    return this.#options.own.make(changed, sending as Promise<Attributes>)
  }

  async #sendBatch(batch: readonly Batched[]): Promise<void> {
    const { uploads, own } = this.#options
    this.#batches += 1
    try {
      const sending = uploads.storeSmall(batch.map(({ upload }) => upload))
      const paths = batch.map(({ upload: { kind, path } }) => (kind === 'removal' ? partsOf(path) : undefined))
      // The feed may tell of them before the answer does.
      const book = own.makeAll(
        paths.filter((path) => path !== undefined),
        sending.then((results) => ({
          made: results.filter((result): result is Attributes => result !== undefined && !isShoalError(result)),
          removed: paths.filter((path, index): path is Path => path !== undefined && results[index] === undefined),
        })),
        batch.some(({ upload: { kind } }) => kind === 'attributes'),
      )
      book.catch(() => undefined)
      await this.#finishBatch(batch, await sending)
    } catch (error) {
      if (batch.length === 1 || !isAboutWhatWasSaid(error)) for (const { unit } of batch) this.#later(unit, error)
      else await this.#sendHalves(batch)
    } finally {
      this.#batches -= 1
      this.#wake.resolve()
    }
  }

  /** So that one that the node can't take holds up nothing but itself. */
  async #sendHalves(batch: readonly Batched[]): Promise<void> {
    const middle = batch.length >> 1
    await this.#sendBatch(batch.slice(0, middle))
    await this.#sendBatch(batch.slice(middle))
  }

  async #finishBatch(batch: readonly Batched[], results: readonly UploadResult[]): Promise<void> {
    const stored: StoredFile[] = []
    // A promise for each would cost as much as to finish it.
    const waits: Promise<void>[] = []
    for (const [index, { unit, upload }] of batch.entries()) {
      const { kind, bytes } = upload
      const result = results[index]
      // A node that is older takes attributes by themselves.
      if (kind === 'attributes' && isShoalError(result, 'INVALID_ARGUMENT')) waits.push(this.#sendSingle(unit))
      else if (isShoalError(result)) waits.push(this.#refused(unit, result))
      else this.#finish(unit, { entry: result, isLost: false })
      if (bytes !== undefined && result !== undefined && !isShoalError(result)) stored.push({ attributes: result, bytes })
    }
    if (stored.length > 0) this.#options.onStored?.(stored)
    await Promise.all(waits)
  }

  /** What the cluster says for good is settled otherwise; all else is tried again, unless what was done since makes it needless. */
  async #refused(unit: PendingUnit, error: unknown): Promise<void> {
    try {
      if (isFinal(error)) this.#finish(unit, await this.conflicts.settle(unit, error))
      else this.#later(unit, error, { isUndone: isRefusal(error) && (await this.#isUndone(unit)) })
    } catch (again) {
      this.#later(unit, again)
    }
  }

  /** Whether the cluster has nothing of a unit that it refuses. */
  async #isUndone(unit: PendingUnit): Promise<boolean> {
    const isMaking = unit.isMaking || unit.layer !== undefined
    if (!isMaking) return false
    const isSure = unit.group === undefined && !this.#doubtful.has(unit) && unit.layer?.isInParts !== true
    return isSure || this.conflicts.isUndone(unit)
  }

  #finish(unit: PendingUnit, answered: Settlement): void {
    const { tree, onDone } = this.#options
    const settlement = withOthersContents(unit, answered)
    this.#over(unit)
    this.#lastError = undefined
    if (settlement.movedTo !== undefined) unit.node.movedTo = settlement.movedTo
    onDone(unit, tree.done(unit, settlement.entry), settlement)
    for (const { resolve } of this.#take(unit)) resolve()
  }

  #later(unit: PendingUnit, error: unknown, { isUndone = false }: { readonly isUndone?: boolean } = {}): void {
    const { tree, clock, log, onNeedless } = this.#options
    const count = (this.#failures.get(unit) ?? 0) + 1
    this.#failures.set(unit, count)
    if (this.#lastError === undefined && !this.#stop.signal.aborted)
      log.warn('The cluster does not take what is pending: it is tried again', { path: unit.path, error })
    if (isShoalError(error)) this.#lastError = error
    const atMs = clock.monotonicMs() + Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** Math.min(10, count - 1))
    if (isUndone) {
      this.#doubtful.delete(unit)
      const needless = tree.refused(unit, atMs)
      if (needless.length > 0) onNeedless(unit, needless)
      // It isn't to be sent any more.
      if (!this.#failures.has(unit)) return
    } else {
      this.#doubtful.add(unit)
      tree.retry(unit, atMs)
    }
    if (this.#waiters.size === 0) return
    // What waits for it isn't sent either.
    for (const one of withWaiting(unit)) for (const { reject } of this.#take(one)) reject(error)
  }

  #over(unit: PendingUnit): void {
    this.#failures.delete(unit)
    if (this.#failures.size === 0) this.#lastError = undefined
  }

  #take(unit: PendingUnit): readonly Waiter[] {
    const waiters = this.#waiters.get(unit) ?? []
    this.#waiters.delete(unit)
    return waiters
  }
}

/** The cluster would say the same again: something else is there than was when the change was made. */
function isFinal(error: unknown): boolean {
  const codes = [
    'PRECONDITION_FAILED',
    'NOT_FOUND',
    'ALREADY_EXISTS',
    'NOT_A_DIRECTORY',
    'IS_A_DIRECTORY',
    'DIRECTORY_NOT_EMPTY',
  ] as const
  return codes.some((code) => isShoalError(error, code))
}

/** The cluster has not done it. */
function isRefusal(error: unknown): boolean {
  const codes = ['QUOTA_EXCEEDED', 'NO_SPACE', 'TOO_LARGE', 'FORBIDDEN', 'NOT_PERMITTED', 'INVALID_ARGUMENT'] as const
  return codes.some((code) => isShoalError(error, code))
}

/** A batch was refused as a whole, which may be due to one of its changes. */
function isAboutWhatWasSaid(error: unknown): boolean {
  const codes = ['INVALID_ARGUMENT', 'INVALID_PATH', 'NAME_TOO_LONG', 'TOO_LARGE', 'INTERNAL'] as const
  return codes.some((code) => isShoalError(error, code))
}

/** A renaming, or a change of attributes, is made whatever a file holds: others may have written to it since it was looked at here. What is still to be
 *  written over it builds on what it was before, and is refused; where nothing is, it isn't what was shown. */
function withOthersContents({ node, layer }: PendingUnit, settlement: Settlement): Settlement {
  const { entry } = settlement
  const { base } = node
  if (layer !== undefined || base === undefined || entry?.type !== 'file' || entityTag(entry) === entityTag(base))
    return settlement
  if (node.layers.length === 0) return { ...settlement, isLost: true }
  const { inode, version, sizeBytes, sha256 } = base
  return { ...settlement, entry: { ...entry, inode, version, sizeBytes, sha256 } }
}

/** It and all that is sent after it only. */
function withWaiting(unit: PendingUnit): ReadonlySet<PendingUnit> {
  const found = new Set([unit])
  // A set that grows while it is gone through shows what was added, too.
  for (const one of found) for (const next of one.before) found.add(next)
  return found
}

function partsOf(path: string): Path {
  return path.split('/')
}
