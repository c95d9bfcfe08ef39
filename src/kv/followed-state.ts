import type { Interval } from './arguments.ts'
import type { CommitSignals } from './commit-signals.ts'
import type { CommitBase, FlushedState, KeptState } from './commit-base.ts'
import { DecodedRows } from './decoded-rows.ts'
import type { JournalTail, TailRecord } from './journal-tail.ts'
import { nameOfKey } from './key-name.ts'
import { getThrough, keepThrough } from './layered-state.ts'
import { mergedRange } from './merged-range.ts'
import type { Decode, KeyValue } from './store.ts'
import { WriteSet } from './write-set.ts'

/** A moment of the base may be overtaken while it is being opened, by a commit past the journal or by a journal that goes
 *  round: each takes milliseconds, so that a second look is nearly always enough. */
const TRIES = 4

/** What one file of the journal adds, of which the last record is this. */
interface Layer {
  readonly writes: WriteSet
  last: number
}

/** A moment of the base that readers share. */
interface Moment {
  readonly state: KeptState
  /** What the signals said just before it was opened. */
  readonly applied: number
  readonly direct: number
  users: number
}

export interface FollowedStateOptions {
  readonly base: Pick<CommitBase, 'keep'>
  readonly signals: CommitSignals
  readonly tail: Pick<JournalTail, 'next' | 'seek' | 'close'>
}

/** What a journaled store shows, as another thread follows it: a moment of the same base, under the records of the journal
 *  that are durable and that this moment may lack. `catchUp` before each read brings it to all that has been acknowledged.
 *
 *  The base's moment needn't be known exactly. Records say what keys are, not what to do with them, so those that it has
 *  already may cover it once more; it only must not lack a record that no layer has, nor have one that is newer than all
 *  layers, nor have a commit past the journal that an older record covers. */
export class FollowedState implements FlushedState {
  readonly #base: Pick<CommitBase, 'keep'>
  readonly #signals: CommitSignals
  readonly #tail: FollowedStateOptions['tail']
  /** The newest first; a layer holds what came in one file of the journal, which the base gets in one step. */
  #layers: Layer[] = []
  #sets: readonly WriteSet[] = []
  /** The newest record that is in a layer, or in the moment. */
  #sequence = 0
  #moment: Moment | undefined
  #wasUsed = false
  /** Rows of the base as of so many commits past the journal. */
  #decoded = new DecodedRows()
  #decodedAt = 0

  constructor({ base, signals, tail }: FollowedStateOptions) {
    this.#base = base
    this.#signals = signals
    this.#tail = tail
  }

  /** Shows from now on all that is durable now. False if that can't be told at this moment: a commit past the journal is
   *  under way. Then what is shown must not be read. */
  catchUp(): boolean {
    this.#wasUsed = true
    // Before the others: what is durable behind a commit past the journal is only shown together with that.
    const { durable } = this.#signals
    const { directDone, applied } = this.#signals
    const moment = this.#moment
    if (moment === undefined || moment.direct !== directDone || moment.applied !== applied) return this.#renew()
    return this.#follow(durable) || this.#renew()
  }

  /** Lets go of the base's moment if nothing has been read since the last call: while it is open, the base can't use the
   *  pages again that others free. */
  rest(): void {
    if (!this.#wasUsed) this.#drop()
    this.#wasUsed = false
  }

  close(): void {
    this.#drop()
    this.#tail.close()
  }

  get(key: Uint8Array, name?: string): Buffer | undefined {
    return this.#sets.length === 0 ? this.#state.get(key, name) : getThrough(this.#sets, this.#state, key)
  }

  getDecoded<T>(key: Uint8Array, decode: Decode<T>, name = nameOfKey(key)): T | undefined {
    for (const layer of this.#sets) {
      const write = layer.get(name)
      if (write !== undefined) return write.value === undefined ? undefined : decode(Buffer.from(write.value))
    }
    const known = this.#decoded.find(name, decode)
    if (known !== undefined) return known
    const value = this.#state.get(key, name)
    if (value === undefined) return undefined
    const decoded = decode(value)
    this.#decoded.keep(name, decode, decoded)
    return decoded
  }

  range(interval: Interval): IterableIterator<KeyValue> {
    return mergedRange(this.#state, this.#sets, interval)
  }

  /** What is shown now, to be kept. */
  keep(): KeptState {
    const moment = this.#moment as Moment
    moment.users += 1
    const layers = this.#sets.map((layer) => layer.copy())
    return keepThrough(layers, {
      get: (key, name) => moment.state.get(key, name),
      range: (interval) => moment.state.range(interval),
      release: () => release(moment),
    })
  }

  get #state(): KeptState {
    return (this.#moment as Moment).state
  }

  /** Opens another moment of the base, and brings the layers to all that is durable then. */
  #renew(): boolean {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const direct = this.#signals.directBegun
      // It may be visible here already, and not yet to the writer's own readers.
      if (this.#signals.directDone !== direct) return false
      const { applied } = this.#signals
      const state = this.#base.keep()
      const { durable } = this.#signals
      if (this.#signals.directBegun !== direct) {
        state.release()
        continue
      }
      this.#drop()
      this.#moment = { state, applied, direct, users: 1 }
      this.#forgetDecoded(direct)
      this.#uncover(applied)
      if (this.#follow(durable)) return true
    }
    this.#drop()
    return false
  }

  /** Drops the layers that the base has as a whole. */
  #uncover(applied: number): void {
    if (this.#layers.some(({ last }) => last <= applied)) this.#setLayers(this.#layers.filter(({ last }) => last > applied))
    if (this.#sequence >= applied) return
    // Nobody has seen the records in between, and what they changed.
    this.#decoded = new DecodedRows()
    this.#setLayers([])
    this.#sequence = applied
  }

  #forgetDecoded(direct: number): void {
    if (direct === this.#decodedAt) return
    this.#decodedAt = direct
    this.#decoded = new DecodedRows()
  }

  /** Takes in all records up to `durable`; false if one isn't in the journal any more. */
  #follow(durable: number): boolean {
    while (this.#sequence < durable) {
      const record = this.#tail.next(this.#sequence + 1) ?? this.#seek(this.#sequence + 1)
      if (record === undefined) return false
      this.#cover(record)
    }
    return true
  }

  #seek(sequence: number): TailRecord | undefined {
    return this.#tail.seek(sequence) ? this.#tail.next(sequence) : undefined
  }

  #cover({ sequence, writes, isFirst }: TailRecord): void {
    this.#sequence = sequence
    if (writes.length === 0) return
    let [layer] = this.#layers
    if (layer === undefined || isFirst) {
      layer = { writes: new WriteSet(), last: sequence }
      this.#setLayers([layer, ...this.#layers])
    }
    layer.last = sequence
    for (const write of writes) {
      const name = nameOfKey(write.key)
      layer.writes.set(name, write)
      this.#decoded.forget(name)
    }
  }

  #setLayers(layers: Layer[]): void {
    this.#layers = layers
    this.#sets = layers.map(({ writes }) => writes)
  }

  #drop(): void {
    if (this.#moment !== undefined) release(this.#moment)
    this.#moment = undefined
  }
}

function release(moment: Moment): void {
  moment.users -= 1
  if (moment.users === 0) moment.state.release()
}
