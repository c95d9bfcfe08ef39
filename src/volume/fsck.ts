// `shoal fsck`: runs all checks over one snapshot, mends what they find, and compares the chunks with the store.

import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { LongSnapshot } from '#kv/store.ts'
import { checkChanges } from '#metadata/fsck-changes.ts'
import { type Finding, type Steps, VolumeCheck } from '#metadata/fsck-check.ts'
import type { FsckProblem } from '#metadata/fsck-problems.ts'
import { checkGarbageChunks, compareReferences, countPasses, tallyChunks } from '#metadata/fsck-references.ts'
import { survey, type Survey } from '#metadata/fsck-survey.ts'
import { checkVolume } from '#metadata/fsck-volume.ts'
import { type ChunkCheckStores, type ChunkFault, findFaultyFiles, FAULTS_PER_WALK, lookForChunks } from './fsck-chunks.ts'
import type { Maintenance } from './maintenance.ts'

export interface FsckOptions {
  /** Mend what can be mended. */
  readonly repair?: boolean
  /** Read all contents and compare their digests. */
  readonly verify?: boolean
  readonly signal?: AbortSignal
}

export type FsckPhase = 'volumes' | 'references' | 'chunks' | 'namespace' | 'changes' | 'orphans'

export type FsckProgress = {
  readonly kind: 'progress'
  readonly phase: FsckPhase
  readonly volume?: string
  /** Rows or chunks looked at in this phase so far. */
  readonly done: number
}

export type FsckFinding = {
  readonly kind: 'finding'
  readonly problem: FsckProblem
  readonly where: string
  readonly detail: string
  readonly repairable: boolean
  readonly repaired: boolean
}

export type FsckResult = {
  readonly kind: 'result'
  /** Nothing was found. */
  readonly clean: boolean
  readonly findings: number
  readonly repaired: number
  /** Chunks that no row refers to: what interrupted writes leave, no damage. A repair forgets them. */
  readonly orphanChunks: number
  readonly orphanBytes: number
  readonly forgottenChunks: number
}

export type FsckEvent = FsckProgress | FsckFinding | FsckResult

export interface FsckStores extends ChunkCheckStores {
  readonly maintenance: Maintenance
}

/** Rows looked at without a turn for others: some milliseconds. */
const ROWS_PER_TURN = 250
/** Turns between two reports of progress. */
const TURNS_PER_REPORT = 200

/** Runs one check at a time. */
export class Fsck {
  #isRunning = false

  async *run(stores: FsckStores, options: FsckOptions): AsyncGenerator<FsckEvent, void, undefined> {
    if (this.#isRunning) throw new ShoalError('CONFLICT', 'A check of this node is under way already: wait until it has ended')
    this.#isRunning = true
    let snapshot: LongSnapshot | undefined
    try {
      snapshot = await stores.metadata.openSnapshot()
      yield* new FsckRun(stores, options, snapshot).events()
    } finally {
      snapshot?.close()
      this.#isRunning = false
    }
  }
}

type Events<T = void> = AsyncGenerator<FsckEvent, T, undefined>

class FsckRun {
  readonly #stores: FsckStores
  readonly #options: FsckOptions
  readonly #snapshot: LongSnapshot
  #phase: FsckPhase = 'volumes'
  #volume: string | undefined
  #done = 0
  #sinceTurn = 0
  #turns = 0
  #findings = 0
  #repaired = 0

  constructor(stores: FsckStores, options: FsckOptions, snapshot: LongSnapshot) {
    this.#stores = stores
    this.#options = options
    this.#snapshot = snapshot
  }

  async *events(): Events {
    const snapshot = this.#snapshot
    yield this.#enter('volumes')
    const surveyed = yield* this.#drive(survey(snapshot))
    // What is mended in the namespace lets go of chunks: their counts must be right by then.
    yield* this.#checkChunks(surveyed)
    for (const { prefix, record } of surveyed.volumes) {
      yield this.#enter('namespace', record.name)
      const { verify = false } = this.#options
      yield* this.#drive(checkVolume(new VolumeCheck({ snapshot, prefix, record, discarded: surveyed.discarded, verify })))
    }
    yield this.#enter('changes')
    yield* this.#drive(checkChanges(snapshot))
    yield* this.#checkOrphans()
  }

  async *#checkChunks(surveyed: Survey): Events {
    const snapshot = this.#snapshot
    const { chunks } = this.#stores
    const { verify = false } = this.#options
    yield this.#enter('references')
    const faults = new Map<ChunkId, ChunkFault>()
    const passes = yield* this.#drive(countPasses(snapshot))
    for (let index = 0; index < passes; index += 1) {
      const part = { index, passes }
      const uses = yield* this.#drive(tallyChunks(snapshot, surveyed, part))
      yield* this.#drive(compareReferences(snapshot, uses, part))
      yield this.#enter('chunks')
      for await (const looked of lookForChunks(chunks, uses, { verify, faults }))
        if (this.#countUp(looked * (verify ? 250 : 10))) yield* this.#takeTurn()
      if (faults.size < FAULTS_PER_WALK && index + 1 < passes) continue
      yield* this.#reportFaults(surveyed, faults)
      faults.clear()
    }
    yield this.#enter('references')
    yield* this.#drive(checkGarbageChunks(snapshot))
  }

  async *#reportFaults(surveyed: Survey, faults: ReadonlyMap<ChunkId, ChunkFault>): Events {
    if (faults.size === 0) return
    const { verify = false } = this.#options
    for await (const step of findFaultyFiles(this.#stores, { snapshot: this.#snapshot, survey: surveyed, verify }, faults)) {
      if (this.#countUp(1)) yield* this.#takeTurn()
      if (step !== undefined) yield await this.#report(step)
    }
  }

  async *#checkOrphans(): Events {
    yield this.#enter('orphans')
    const { repair = false } = this.#options
    let orphanChunks = 0
    let orphanBytes = 0
    let forgottenChunks = 0
    for await (const { sizeBytes, forgotten } of this.#stores.maintenance.orphans({ forget: repair })) {
      if (this.#countUp(10)) yield* this.#takeTurn()
      orphanChunks += 1
      orphanBytes += sizeBytes
      if (forgotten) forgottenChunks += 1
    }
    const [findings, repaired] = [this.#findings, this.#repaired]
    yield { kind: 'result', clean: findings === 0, findings, repaired, orphanChunks, orphanBytes, forgottenChunks }
  }

  /** Runs a check to its end, with turns for others, and mends what it finds. */
  async *#drive<T>(steps: Steps<T>): Events<T> {
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return step.value
      if (step.value !== undefined) yield await this.#report(step.value)
      else if (this.#countUp(1)) yield* this.#takeTurn()
    }
  }

  async #report({ problem, where, detail, mend }: Finding): Promise<FsckFinding> {
    this.#findings += 1
    const repaired = mend !== undefined && this.#options.repair === true
    if (repaired) {
      await this.#stores.metadata.repair('fsck', mend)
      this.#repaired += 1
    }
    return { kind: 'finding', problem, where, detail, repairable: mend !== undefined, repaired }
  }

  #enter(phase: FsckPhase, volume?: string): FsckProgress {
    this.#phase = phase
    this.#volume = volume
    this.#done = 0
    return this.#progress()
  }

  #progress(): FsckProgress {
    const volume = this.#volume
    return { kind: 'progress', phase: this.#phase, ...(volume === undefined ? {} : { volume }), done: this.#done }
  }

  /** True when it is others' turn. `weight`: how many rows it was worth. */
  #countUp(weight: number): boolean {
    this.#done += 1
    this.#sinceTurn += weight
    return this.#sinceTurn >= ROWS_PER_TURN
  }

  async *#takeTurn(): Events {
    this.#sinceTurn = 0
    this.#turns += 1
    await new Promise<void>((resolve) => void setImmediate(resolve))
    this.#options.signal?.throwIfAborted()
    if (this.#turns % TURNS_PER_REPORT === 0) yield this.#progress()
  }
}
