import type { EventualPolicy } from '#eventual/volume-definition.ts'
import type { EventualVolumeInfo, EventualVolumes as Definitions } from '#eventual/volumes.ts'
import type { EventualNamespace } from '#eventual/namespace.ts'
import { DEFAULT_TENANT, type VolumeId } from '#foundation/ids.ts'
import { ShoalError } from '#foundation/errors.ts'
import { DEFAULT_POLICY, type VolumeInfo, type VolumePolicy, type VolumeUsage } from '#metadata/policy.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import { ChunkBuffers } from './chunk-buffers.ts'
import { numberOf } from './eventual-attributes.ts'
import type { EventualVolumeStores } from './eventual-volume.ts'
import { GuardedEventualVolume } from './guarded-eventual-volume.ts'
import type { ClassChunks } from './locations.ts'
import { Pins } from './pins.ts'
import type { VolumeSettings } from './volume.ts'

export interface EventualVolumesOptions {
  readonly definitions: Definitions
  readonly chunksOf: (className: string) => ClassChunks
  readonly clock: Clock
  readonly digests: Digests
  readonly nodeId: string
  readonly consult: EventualVolumeStores['consult']
  /** Bytes of chunks that may be in memory on their way to the store, for all writers together. */
  readonly writeBufferBytes: number
}

/** What an eventual volume can't promise. */
const REFUSED = ['quotaBytes', 'quotaFiles', 'versioning', 'durability'] as const

/** The eventual volumes, as this node knows of them. Nobody else is asked for anything. */
export class EventualVolumes {
  readonly #options: EventualVolumesOptions
  readonly #buffers: ChunkBuffers
  readonly #pins = new Pins()
  #names: ReadonlySet<string> = new Set()

  constructor(options: EventualVolumesOptions) {
    this.#options = options
    this.#buffers = new ChunkBuffers(options.writeBufferBytes, options.digests)
  }

  /** Whether there is one of that name, as of the last `refresh`. Costs nothing. */
  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Takes in which there are. To be called after each change of the definitions. */
  async refresh(): Promise<void> {
    this.#names = new Set((await this.#options.definitions.list()).map(({ name }) => name))
  }

  async create(name: string, settings: Partial<VolumeSettings>): Promise<VolumeInfo> {
    const { definitions, clock } = this.#options
    const made = await definitions.create(name, policyOf(settings), clock.nowNs())
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
    return this.#describe(await definitions.update(name, policyOf(settings), clock.nowNs()))
  }

  async remove(name: string, options: { readonly force?: boolean }): Promise<void> {
    await this.#options.definitions.remove(name, options)
    await this.refresh()
  }

  /** @throws VOLUME_NOT_FOUND */
  async open(name: string): Promise<GuardedEventualVolume> {
    const { definitions, chunksOf, digests, clock, nodeId, consult } = this.#options
    const [definition, namespace] = [await definitions.find(name), await definitions.open(name)]
    if (definition === undefined) throw new ShoalError('VOLUME_NOT_FOUND', `There is no volume "${name}"`)
    const chunks = chunksOf(definition.policy.class)
    const stores = { chunks, digests, buffers: this.#buffers, pins: this.#pins, clock, nodeId, consult }
    return new GuardedEventualVolume(stores, { info: describe(definition, NOTHING_USED), definition, namespace })
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

function describe({ name, policy, createdNs }: EventualVolumeInfo, usage: VolumeUsage): VolumeInfo {
  const { onConflict, keepEverywhere, chunkSizeBytes } = policy
  const own: VolumePolicy = { ...DEFAULT_POLICY, consistency: 'eventual', class: policy.class, chunkSizeBytes }
  const eventual = { onConflict, keep: keepEverywhere ? 'everywhere' : 'class' } as const
  return { id: numberOf(name) as VolumeId, tenant: DEFAULT_TENANT, name, policy: own, eventual, usage, createdNs, owner: 'root' }
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
