import { ShoalError } from '#foundation/errors.ts'
import type { RequestMark } from '#foundation/request-mark.ts'
import { type ChunkId, DEFAULT_TENANT, type TenantId } from '#foundation/ids.ts'
import type { KeyValueReader, Snapshot, Transaction, TransactOptions } from '#kv/store.ts'
import { NO_SETTINGS, readSettings, writeSettings } from '#metadata/bucket-settings.ts'
import { volumePrefix } from '#metadata/keys.ts'
import { Metadata, type VolumeHandle } from '#metadata/metadata.ts'
import { DEFAULT_POLICY } from '#metadata/policy.ts'
import type { VolumeInfo, VolumePolicy } from '#metadata/policy.ts'
import { RECLASS_START, reclassStep } from '#metadata/reclass.ts'
import type { ReclassPlace } from '#metadata/reclass.ts'
import { once, type ResultCodec } from '#metadata/remembered.ts'
import { NOTHING_RESULT, plainResult } from '#metadata/result-codecs.ts'
import { type IsOpen, VolumeView } from '#metadata/transaction.ts'
import {
  createVolume,
  describeVolume,
  findVolume,
  listVolumes,
  removeVolume,
  requireVolume,
  updateVolume,
  volumeNotFound,
} from '#metadata/volumes.ts'
import type { Clock } from '#platform/clock.ts'
import { SharedStamp } from '#platform/shared-stamp.ts'
import type { BucketSettings, BucketVolumes } from './bucket-settings.ts'
import { currentCursor, followChanges } from './change-stream.ts'
import type { AskedOptions, FollowOptions, Heard } from './feed-questions.ts'
import { ChunkBuffers } from './chunk-buffers.ts'
import { READ_BUFFER_BYTES } from './content-reader.ts'
import { Fsck, type FsckEvent, type FsckOptions } from './fsck.ts'
import { Lifecycle, type LifecycleResult } from './lifecycle.ts'
import { DAY_MS } from './lifecycle-rules.ts'
import { Leftovers } from './leftovers.ts'
import { LockKeeper } from './lock-keeper.ts'
import type { GuardedVolumes } from './locks.ts'
import { type CollectResult, Maintenance } from './maintenance.ts'
import { contentPin, Pins } from './pins.ts'
import { ReadBuffers } from './read-buffers.ts'
import { Rewrites } from './rewrites.ts'
import type { Objects, ObjectVolumes } from './objects.ts'
import type { StrongVolumesOptions, VolumeClasses } from './strong-volumes-options.ts'
import { describeVolumes, type StrongVolumesStatus } from './strong-status.ts'
import { settleRequest } from './settle-failure.ts'
import { StrongVolume, type StrongVolumeStores } from './strong-volume.ts'
import type { Caller, Change } from './volume.ts'

const OPEN_VOLUMES_MAX = 1_000
const VOLUME_RESULT = plainResult<VolumeInfo>()
const HOUR_MS = 3_600_000
/** Of some 2 MiB each: those of sixteen readers. What is dropped while readers go on takes memory until the garbage collectors
 *  of all threads have run: with twelve, twenty readers and writers took 45 MB more, and were a little slower. */
export const READ_BUFFERS_KEPT = 48

/** The strong volumes of one node. The stores belong to the caller, who closes them after `close`. */
export class StrongVolumes implements GuardedVolumes, ObjectVolumes, BucketVolumes {
  readonly #metadata: Metadata
  readonly #stores: StrongVolumeStores
  readonly #clock: Clock
  readonly #tenant: TenantId
  readonly #isTaken: StrongVolumesOptions['isTaken']
  readonly #isCurrent: StrongVolumesOptions['isCurrent']
  readonly #classes: VolumeClasses
  readonly #onClassChange: StrongVolumesOptions['onClassChange']
  readonly #lockKeeper: LockKeeper
  readonly #leftovers: Leftovers
  readonly #maintenance: Maintenance
  readonly #lifecycle: Lifecycle
  readonly #fsck = new Fsck()
  readonly #stamp: SharedStamp
  /** Volumes as last opened, until any volume changes; a volume itself knows when it is gone. */
  readonly #opened = new Map<string, StrongVolume>()
  #openedAt: number | undefined

  constructor(options: StrongVolumesOptions) {
    const { kv, chunks, clock, random, digests, log, nodeId, changeRingEntries, uploadExpiryMs } = options
    const { pins = new Pins() } = options
    const buffers = new ChunkBuffers(options.writeBufferBytes, digests)
    const { readBuffers = new ReadBuffers(digests, { sizeBytes: READ_BUFFER_BYTES, keptMax: READ_BUFFERS_KEPT }) } = options
    this.#clock = clock
    this.#stamp = options.volumesStamp ?? new SharedStamp()
    this.#isTaken = options.isTaken
    this.#isCurrent = options.isCurrent
    this.#tenant = options.tenant ?? DEFAULT_TENANT
    this.#classes = options.classes ?? { has: (name) => name === DEFAULT_POLICY.class, chunksOf: () => chunks }
    this.#onClassChange = options.onClassChange
    const isOpen: IsOpen = (prefix, what) => pins.has(contentPin(prefix, what))
    this.#metadata = new Metadata({ kv, clock, changeRingEntries, isOpen })
    this.#lockKeeper = new LockKeeper({ metadata: this.#metadata, clock, log })
    this.#leftovers = new Leftovers({ metadata: this.#metadata, clock, log })
    this.#stores = {
      lockKeeper: this.#lockKeeper,
      metadata: this.#metadata,
      clock,
      chunks,
      random,
      digests,
      nodeId,
      uploadExpiryMs,
      rewrites: new Rewrites({ metadata: this.#metadata, pins }),
      pins,
      buffers,
      readBuffers,
      contentKeys: options.contentKeys,
      settle: options.settle,
      copiesTables: options.copiesTables,
    }
    const { gcGraceMs: graceMs, gcIntervalMs: intervalMs, sweepIntervalMs } = options
    this.#maintenance = new Maintenance({
      metadata: this.#metadata,
      chunks,
      pins,
      isUsedElsewhere: options.isUsedElsewhere,
      buffers: [buffers, readBuffers],
      clock,
      log,
      graceMs,
      intervalMs,
      sweepIntervalMs,
      isSweptByOthers: options.isSweptByOthers,
    })
    this.#lifecycle = new Lifecycle({
      metadata: this.#metadata,
      pins,
      clock,
      log,
      intervalMs: HOUR_MS,
      dayMs: DAY_MS,
      ...options.lifecycle,
    })
  }

  /** Starts the background work, which goes on where it was stopped. */
  start(): void {
    this.#lockKeeper.start()
    this.#leftovers.start()
    this.#maintenance.start()
    this.#lifecycle.start()
  }

  /** Ends the background work; waits for the step that is under way. */
  async stop(): Promise<void> {
    await Promise.all([this.#lockKeeper.stop(), this.#leftovers.stop(), this.#lifecycle.stop(), this.#maintenance.stop()])
  }

  close(): Promise<void> {
    return this.stop()
  }

  /** Others may have changed the volumes: none counts as opened. */
  forgetOpened(): void {
    void this.#stamp.change(() => Promise.resolve())
    this.#opened.clear()
  }

  /** Resolves when every change of the volume that has begun by now has ended. @throws what a change does */
  settle(volume: VolumeHandle): Promise<void> {
    return this.#metadata.transact(volume, '', () => {}, { frees: true })
  }

  /** What is to be told of a request that has failed, and may have come before. */
  settleRequest(request: RequestMark, error: ShoalError): Promise<ShoalError> {
    return settleRequest(this.#metadata, request, error)
  }

  /** Applies the lifecycle rules of all buckets now. */
  applyLifecycle(): Promise<LifecycleResult> {
    return this.#lifecycle.apply()
  }

  /** Collects garbage now, with the grace that is set. */
  collect(): Promise<CollectResult> {
    return this.#maintenance.collect()
  }

  /** Which of the chunks volumes have, with the classes of these; or are about to have, without classes. Others may go once they are
   *  older than any upload. */
  referenced(ids: readonly ChunkId[]): Promise<ReadonlyMap<ChunkId, readonly string[]>> {
    return this.#maintenance.referenced(ids)
  }

  /** Compares the whole chunk store with the references now. */
  sweep(): Promise<number> {
    return this.#maintenance.sweep()
  }

  /** Checks everything that the node keeps, and mends it where asked; findings come as they are found. It reads one moment,
   *  beside whatever else goes on. @throws CONFLICT while another check is under way; CANCELLED or what `signal` says */
  fsck(options: FsckOptions = {}): AsyncIterableIterator<FsckEvent> {
    const { metadata, chunks } = this.#stores
    return this.#fsck.run({ metadata, chunks, maintenance: this.#maintenance }, options)
  }

  create(name: string, policy: Partial<VolumePolicy>, caller: Caller): Promise<VolumeInfo> {
    return this.createBucket(name, { policy, settings: NO_SETTINGS, caller })
  }

  async createBucket(
    name: string,
    { policy = {}, settings, caller }: { policy?: Partial<VolumePolicy>; settings: BucketSettings; caller: Caller },
  ): Promise<VolumeInfo> {
    this.#checkClass(policy)
    if (this.#isTaken?.(name) === true)
      throw new ShoalError('VOLUME_EXISTS', `There is a volume "${name}" already`, { details: { volume: name } })
    return this.#changeOnce(caller, VOLUME_RESULT, (tx, onAppend) => {
      const owner = caller.principal
      const record = createVolume(tx, { tenant: this.#tenant, name, policy, owner }, this.#clock.nowNs())
      writeSettings(tx, volumePrefix(record.tenant, record.id), settings)
      updateVolume(tx, record, {})
      this.#report(tx, { kind: 'volume-create', volume: name, caller }, onAppend)
      return describeVolume(tx, record)
    })
  }

  changeSettings(
    name: string,
    { caller, change, policy = {} }: Parameters<BucketVolumes['changeSettings']>[1],
  ): Promise<BucketSettings> {
    return this.#changeVolumes((tx, onAppend) => {
      const record = requireVolume(tx, this.#tenant, name)
      const prefix = volumePrefix(record.tenant, record.id)
      const settings = change(readSettings(tx, prefix), describeVolume(tx, record))
      writeSettings(tx, prefix, settings)
      updateVolume(tx, record, policy)
      this.#report(tx, { kind: 'volume-update', volume: name, caller }, onAppend)
      return settings
    })
  }

  list(): Promise<readonly VolumeInfo[]> {
    return this.#metadata.readSystem((snapshot) => {
      const own = [...listVolumes(snapshot)].filter((record) => record.tenant === this.#tenant)
      return own.map((record) => describeVolume(snapshot, record))
    })
  }

  find(name: string): Promise<VolumeInfo | undefined> {
    return this.#metadata.readSystem((snapshot) => {
      const record = findVolume(snapshot, this.#tenant, name)
      return record === undefined ? undefined : describeVolume(snapshot, record)
    })
  }

  /** A class takes effect at once for what is written; when the promise resolves it is noted of all that is there too. Cut off on the
   *  way, that is done by giving the class again. */
  async update(name: string, changes: Partial<VolumePolicy>, caller: Caller): Promise<VolumeInfo> {
    this.#checkClass(changes)
    const updated = await this.#changeOnce(caller, VOLUME_RESULT, (tx, onAppend) => {
      const record = updateVolume(tx, requireVolume(tx, this.#tenant, name), changes)
      this.#report(tx, { kind: 'volume-update', volume: name, caller }, onAppend)
      return describeVolume(tx, record)
    })
    if (changes.class !== undefined) await this.#reclass(updated)
    return updated
  }

  async #reclass({ tenant, id }: VolumeInfo): Promise<void> {
    const prefix = volumePrefix(tenant, id)
    for (let place: ReclassPlace | undefined = RECLASS_START; place !== undefined;) {
      const from: ReclassPlace = place
      place = await this.#metadata.transactSystem((tx) => reclassStep(tx, prefix, from))
    }
    this.#onClassChange?.()
  }

  remove(name: string, options: { caller: Caller; force?: boolean }): Promise<void> {
    return this.#remove(name, options)
  }

  removeBucket(name: string, caller: Caller): Promise<void> {
    return this.#remove(name, { caller, isBucket: true })
  }

  #remove(name: string, options: { caller: Caller; force?: boolean; isBucket?: boolean }): Promise<void> {
    const { force = false, isBucket = false } = options
    return this.#changeOnce(
      options.caller,
      NOTHING_RESULT,
      (tx, onAppend) => {
        const record = requireVolume(tx, this.#tenant, name)
        const view = new VolumeView(tx, volumePrefix(record.tenant, record.id))
        removeVolume(tx, view, { record, force, isBucket, nowMs: this.#clock.nowMs() })
        this.#report(tx, { kind: 'volume-remove', volume: name, caller: options.caller }, onAppend)
      },
      { frees: true },
    )
  }

  #checkClass({ class: name }: Partial<VolumePolicy>): void {
    if (name === undefined || this.#classes.has(name)) return
    throw new ShoalError('INVALID_ARGUMENT', `There is no class "${name}"`, { details: { field: 'class' } })
  }

  #report(
    tx: Transaction,
    change: { kind: 'volume-create' | 'volume-update' | 'volume-remove'; volume: string; caller: Caller },
    onAppend: () => void,
  ): void {
    const { kind, volume, caller } = change
    this.#metadata.reportVolume(tx, { kind, volume, principal: caller.principal, path: '' }, onAppend)
  }

  async open(name: string): Promise<StrongVolume> {
    const stamp = this.#stamp.current
    if (stamp !== this.#openedAt) this.#opened.clear()
    this.#openedAt = stamp
    const opened = this.#isCurrent?.() === false ? undefined : this.#opened.get(name)
    if (opened !== undefined) return opened
    const found = await this.#metadata.readSystem((snapshot) => {
      const record = findVolume(snapshot, this.#tenant, name)
      if (record === undefined) throw volumeNotFound(name)
      const settings = readSettings(snapshot, volumePrefix(record.tenant, record.id))
      return { info: describeVolume(snapshot, record), settings }
    })
    const volume = new StrongVolume({ ...this.#stores, chunks: this.#classes.chunksOf(found.info.policy.class) }, found)
    if (this.#opened.size >= OPEN_VOLUMES_MAX) this.#opened.clear()
    if (stamp !== undefined && stamp === this.#openedAt && stamp === this.#stamp.current) this.#opened.set(name, volume)
    return volume
  }

  async openObjects(name: string): Promise<Objects> {
    return (await this.open(name)).objects
  }

  openBucket(name: string): Promise<StrongVolume> {
    return this.open(name)
  }

  #changeOnce<T>(
    { request }: Caller,
    codec: ResultCodec<T>,
    fn: (tx: Transaction, onAppend: () => void) => T,
    options?: TransactOptions,
  ): Promise<T> {
    return this.#changeVolumes((tx, onAppend) => once(tx, request, codec, () => fn(tx, onAppend)), options)
  }

  /** Runs a change to the volumes themselves, after which none counts as opened. */
  #changeVolumes<T>(fn: (tx: Transaction, onAppend: () => void) => T, options?: TransactOptions): Promise<T> {
    return this.#stamp.change(() => this.#metadata.transactSystem(fn, options))
  }

  changes(options: FollowOptions): AsyncIterableIterator<Change> {
    return followChanges(this.#metadata, options)
  }

  askedChanges(options: AskedOptions): AsyncIterableIterator<Change | Heard> {
    return followChanges(this.#metadata, options)
  }

  async freeBytes(): Promise<number | undefined> {
    return (await this.#classes.chunksOf(DEFAULT_POLICY.class).usage()).freeBytes
  }

  currentCursor(): Promise<string> {
    return currentCursor(this.#metadata)
  }

  /** @param copy to be read instead of the store, for who is content with what this node has seen */
  async status(copy?: Pick<KeyValueReader, 'read'>): Promise<StrongVolumesStatus> {
    const chunks = await this.#stores.chunks.usage()
    const describe = (snapshot: Snapshot): StrongVolumesStatus => ({ ...describeVolumes(snapshot), chunks })
    return copy === undefined ? this.#metadata.readSystem(describe) : copy.read(describe)
  }
}
