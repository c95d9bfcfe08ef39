import type { EntryValue } from '#eventual/entry.ts'
import type { EventualPolicy } from '#eventual/volume-definition.ts'
import type { EventualVolumeInfo, EventualVolumes as Definitions } from '#eventual/volumes.ts'
import type { EventualNamespace } from '#eventual/namespace.ts'
import { DEFAULT_TENANT, type VolumeId } from '#foundation/ids.ts'
import { ShoalError } from '#foundation/errors.ts'
import { DEFAULT_POLICY, type VolumeInfo, type VolumePolicy, type VolumeUsage } from '#metadata/policy.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import type { Random } from '#platform/random.ts'
import type { Bucket, BucketSettings } from './bucket-settings.ts'
import { ChunkBuffers } from './chunk-buffers.ts'
import { numberOf } from './eventual-attributes.ts'
import { ownedBy, ownerOf, settingsOf, withSettings } from './eventual-bucket.ts'
import { EventualChanges, type EventualChangesOptions } from './eventual-changes.ts'
import { EventualContents } from './eventual-contents.ts'
import { isObject } from './eventual-object-info.ts'
import { EventualObjectUploads } from './eventual-object-uploads.ts'
import { EventualObjects } from './eventual-objects.ts'
import type { EventualVolumeStores } from './eventual-volume.ts'
import { GuardedEventualVolume } from './guarded-eventual-volume.ts'
import type { ClassChunks } from './locations.ts'
import type { Pins } from './pins.ts'
import type { Caller, VolumeSettings } from './volume.ts'

export interface EventualVolumesOptions {
  readonly definitions: Definitions
  readonly chunksOf: (className: string) => ClassChunks
  readonly clock: Clock
  readonly digests: Digests
  readonly nodeId: string
  readonly consult: EventualVolumeStores['consult']
  readonly watch: EventualChangesOptions['watch']
  /** Bytes of chunks that may be in memory on their way to the store, for all writers together. */
  readonly writeBufferBytes: number
  readonly random: Random
  readonly uploadExpiryMs: number
  /** A volume has another class, by this node's word or another's. */
  readonly onClassChange?: () => void
  /** What is being written here: the collector leaves it alone. */
  readonly pins: Pins
}

/** A volume for each door. */
interface Opened extends Bucket {
  readonly volume: GuardedEventualVolume
  readonly objects: EventualObjects
}

const OPEN_VOLUMES_MAX = 1_000

/** What an eventual volume can't promise. */
const REFUSED = ['quotaBytes', 'quotaFiles', 'versioning', 'durability'] as const

/** The eventual volumes, as this node knows of them. Nobody else is asked for anything. */
export class EventualVolumes {
  /** Of all of them. */
  readonly changes: EventualChanges
  readonly #options: EventualVolumesOptions
  readonly #buffers: ChunkBuffers
  /** As last opened, until any definition changes. */
  readonly #opened = new Map<string, Opened>()
  #changes = 0
  /** By their names. */
  #classes: ReadonlyMap<string, string> = new Map()

  constructor(options: EventualVolumesOptions) {
    this.#options = options
    this.#buffers = new ChunkBuffers(options.writeBufferBytes, options.digests)
    this.changes = new EventualChanges({ ...options, open: (name) => this.open(name) })
  }

  /** Whether there is one of that name, as of the last `refresh`. Costs nothing. */
  has(name: string): boolean {
    return this.#classes.has(name)
  }

  /** How many there are, as of the last `refresh`. */
  get count(): number {
    return this.#classes.size
  }

  /** Takes in which there are. To be called after each change of the definitions. */
  async refresh(): Promise<void> {
    this.#changes += 1
    this.#opened.clear()
    const classes = new Map((await this.#options.definitions.list()).map(({ name, policy }) => [name, policy.class]))
    const hasChanged = [...this.#classes].some(([name, before]) => (classes.get(name) ?? before) !== before)
    this.#classes = classes
    if (hasChanged) this.#options.onClassChange?.()
  }

  async create(name: string, settings: Partial<VolumeSettings>, { principal }: Caller): Promise<VolumeInfo> {
    const { definitions, clock } = this.#options
    const made = await definitions.create(name, policyOf(settings), { timeNs: clock.nowNs(), tags: ownedBy(principal) })
    await this.refresh()
    return describe(made, NOTHING_USED)
  }

  async list(): Promise<VolumeInfo[]> {
    const infos: VolumeInfo[] = []
    for (const info of await this.#options.definitions.list()) infos.push(await this.#describe(info))
    return infos
  }

  async find(name: string): Promise<VolumeInfo | undefined> {
    const info = await this.#options.definitions.find(name)
    return info === undefined ? undefined : this.#describe(info)
  }

  async update(name: string, settings: Partial<VolumeSettings>): Promise<VolumeInfo> {
    const { definitions, clock } = this.#options
    const updated = await definitions.update(name, policyOf(settings), { timeNs: clock.nowNs() })
    await this.refresh()
    return this.#describe(updated)
  }

  /** @throws VOLUME_NOT_FOUND, UNSUPPORTED, TOO_LARGE, and what `change` throws */
  async changeSettings(
    name: string,
    change: (settings: BucketSettings, info: VolumeInfo) => BucketSettings,
  ): Promise<BucketSettings> {
    const { definitions, clock } = this.#options
    const retag = (before: EventualVolumeInfo) =>
      withSettings(before.tags, change(settingsOf(before), describe(before, NOTHING_USED)))
    const updated = await definitions.update(name, {}, { timeNs: clock.nowNs(), retag })
    await this.refresh()
    return settingsOf(updated)
  }

  async remove(name: string, options: { readonly force?: boolean }): Promise<void> {
    await this.#options.definitions.remove(name, options)
    await this.refresh()
  }

  /** @throws VOLUME_NOT_FOUND */
  async open(name: string): Promise<GuardedEventualVolume> {
    return (await this.#open(name)).volume
  }

  /** @throws VOLUME_NOT_FOUND */
  async openObjects(name: string): Promise<EventualObjects> {
    return (await this.#open(name)).objects
  }

  /** @throws VOLUME_NOT_FOUND */
  openBucket(name: string): Promise<Bucket> {
    return this.#open(name)
  }

  /** Removes a volume in which there is nothing but directories of other doors. @throws VOLUME_NOT_EMPTY, VOLUME_NOT_FOUND */
  async removeBucket(name: string): Promise<void> {
    const isMore = (value: EntryValue): boolean => value.type !== 'directory' || isObject(value)
    const namespace = await this.#options.definitions.open(name)
    const page = { prefix: '', delimiter: '', limit: 1, counts: isMore }
    for (let cursor: string | undefined; ;) {
      const { items, next } = await namespace.objects().list({ ...page, cursor })
      if (items.length > 0)
        throw new ShoalError('VOLUME_NOT_EMPTY', `The volume "${name}" is not empty: remove its entries first, or force it`)
      if (next === undefined) break
      cursor = next
    }
    await this.remove(name, { force: true })
  }

  /** Ends uploads that have expired. */
  reapUploads(): Promise<number> {
    return this.#options.definitions.uploads().reap(this.#options.clock.nowNs())
  }

  async #open(name: string): Promise<Opened> {
    const before = this.#opened.get(name)
    if (before !== undefined) return before
    const changes = this.#changes
    const { definitions, chunksOf, digests, clock, nodeId, consult, pins, random, uploadExpiryMs } = this.#options
    const [definition, namespace] = [await definitions.find(name), await definitions.open(name)]
    if (definition === undefined) throw new ShoalError('VOLUME_NOT_FOUND', `There is no volume "${name}"`)
    const chunks = chunksOf(definition.policy.class)
    const stores = { chunks, digests, buffers: this.#buffers, pins, clock, nodeId, consult }
    const info = describe(definition, NOTHING_USED)
    const contents = new EventualContents(stores, definition.policy)
    const uploads = { table: definitions.uploads(), contents, clock, random, uploadExpiryMs }
    const volume = new GuardedEventualVolume(stores, { info, definition, namespace, uploads })
    const objects = new EventualObjects({ info, namespace, stores, contents, uploads: new EventualObjectUploads(uploads, name) })
    const opened = { info, settings: settingsOf(definition), volume, objects }
    if (this.#opened.size >= OPEN_VOLUMES_MAX) this.#opened.clear()
    if (changes === this.#changes) this.#opened.set(name, opened)
    return opened
  }

  async #describe(info: EventualVolumeInfo): Promise<VolumeInfo> {
    return describe(info, await usageOf(await this.#options.definitions.open(info.name)))
  }
}

const NOTHING_USED: VolumeUsage = { bytes: 0, files: 0 }

/** Counted when it is asked for: nobody keeps count of entries that others change. */
async function usageOf(namespace: EventualNamespace): Promise<VolumeUsage> {
  let [bytes, files] = [0, 0]
  for (let cursor: string | undefined; ;) {
    const { items, next } = await namespace.list(cursor === undefined ? {} : { cursor })
    for (const item of items) {
      if (!('entry' in item)) continue
      files += 1
      bytes += item.entry.value.type === 'file' ? item.entry.value.sizeBytes : 0
    }
    if (next === undefined) return { bytes, files }
    cursor = next
  }
}

function describe(definition: EventualVolumeInfo, usage: VolumeUsage): VolumeInfo {
  const { name, policy, createdNs } = definition
  const { onConflict, keepEverywhere, chunkSizeBytes } = policy
  const own: VolumePolicy = { ...DEFAULT_POLICY, consistency: 'eventual', class: policy.class, chunkSizeBytes }
  const eventual = { onConflict, keep: keepEverywhere ? 'everywhere' : 'class' } as const
  const owner = ownerOf(definition)
  return { id: numberOf(name) as VolumeId, tenant: DEFAULT_TENANT, name, policy: own, eventual, usage, createdNs, owner }
}

/** @throws UNSUPPORTED, INVALID_ARGUMENT */
function policyOf(settings: Partial<VolumeSettings>): Partial<EventualPolicy> {
  for (const field of REFUSED) {
    const value = settings[field]
    if (value !== undefined && value !== DEFAULT_POLICY[field])
      throw new ShoalError(
        'UNSUPPORTED',
        `An eventual volume has no "${field}": each node takes writes without asking the others`,
        {
          details: { field },
        },
      )
  }
  const { onConflict, keep, class: name, chunkSizeBytes } = settings
  return {
    ...(onConflict === undefined ? {} : { onConflict }),
    ...(keep === undefined ? {} : { keepEverywhere: keep === 'everywhere' }),
    ...(name === undefined ? {} : { class: name }),
    ...(chunkSizeBytes === undefined ? {} : { chunkSizeBytes }),
  }
}
