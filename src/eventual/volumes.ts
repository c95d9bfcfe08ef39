import { ShoalError } from '#foundation/errors.ts'
import { checkValue } from './check-value.ts'
import { shownVersion } from './entry.ts'
import { DEFINITIONS, type Place } from './keys.ts'
import { EventualNamespace } from './namespace.ts'
import type { Replica } from './replica.ts'
import { UploadTable } from './uploads.ts'
import {
  checkEventualPolicy,
  DEFAULT_EVENTUAL_POLICY,
  definitionValue,
  type EventualPolicy,
  policyOf,
} from './volume-definition.ts'

export interface EventualVolumeInfo {
  readonly name: string
  readonly policy: EventualPolicy
  readonly createdNs: bigint
  /** What else is kept with the definition: up to 16 KiB. */
  readonly tags: ReadonlyMap<string, Buffer>
}

const NO_TAGS: ReadonlyMap<string, Buffer> = new Map()

/** A bucket of S3: what names the volume in a key, too. */
const NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

/** Which eventual volumes there are, as this node knows it: definitions are entries that spread like all others, so that making one needs
 *  nobody else. Two that are made with one name on two sides of a partition are one volume afterwards, with the contents of both. */
export class EventualVolumes {
  readonly #replica: Replica

  constructor(replica: Replica) {
    this.#replica = replica
  }

  /** @throws VOLUME_EXISTS, INVALID_ARGUMENT; UNAVAILABLE on a node that has not joined yet */
  async create(
    name: string,
    changes: Partial<EventualPolicy>,
    { timeNs, tags = NO_TAGS }: { readonly timeNs: bigint; readonly tags?: EventualVolumeInfo['tags'] },
  ): Promise<EventualVolumeInfo> {
    if (!NAME.test(name)) {
      throw new ShoalError(
        'INVALID_ARGUMENT',
        `"${name}" can't name a volume: 3 to 63 of a-z, 0-9, "-" and ".", first and last a letter or digit`,
      )
    }
    const policy = { ...DEFAULT_EVENTUAL_POLICY, ...changes }
    checkEventualPolicy(policy)
    return this.#define(name, (before) => {
      if (before !== undefined) throw new ShoalError('VOLUME_EXISTS', `There is a volume "${name}" already`)
      return { name, policy, createdNs: timeNs, timeNs, tags }
    })
  }

  /** @throws VOLUME_NOT_FOUND, INVALID_ARGUMENT */
  update(
    name: string,
    changes: Partial<EventualPolicy>,
    { timeNs, retag }: { readonly timeNs: bigint; readonly retag?: (before: EventualVolumeInfo) => EventualVolumeInfo['tags'] },
  ): Promise<EventualVolumeInfo> {
    return this.#define(name, (before) => {
      if (before === undefined) throw volumeNotFound(name)
      const policy = { ...before.policy, ...changes }
      checkEventualPolicy(policy)
      return { ...before, policy, timeNs, tags: retag?.(before) ?? before.tags }
    })
  }

  async find(name: string): Promise<EventualVolumeInfo | undefined> {
    return this.#replica.store.read((snapshot) => infoOf(name, shownVersion(this.#replica.table.read(snapshot, placeOf(name)))))
  }

  async list(): Promise<readonly EventualVolumeInfo[]> {
    const definitions = new EventualNamespace(this.#replica, DEFINITIONS)
    const volumes: EventualVolumeInfo[] = []
    for (let cursor: string | undefined; ;) {
      const { items, next } = await definitions.list(cursor === undefined ? {} : { cursor })
      for (const item of items) {
        const info = 'entry' in item ? infoOf(item.entry.path, item.entry) : undefined
        if (info !== undefined) volumes.push(info)
      }
      if (next === undefined) return volumes
      cursor = next
    }
  }

  /** Removes a volume that is empty as far as this node knows; with `force` its entries first. What is written into it elsewhere
   *  meanwhile is not lost: it is there when a volume of that name is made again.
   *  @throws VOLUME_NOT_FOUND, VOLUME_NOT_EMPTY */
  async remove(name: string, { force = false }: { readonly force?: boolean } = {}): Promise<void> {
    const namespace = await this.open(name)
    if (force) await namespace.removeAll()
    else if ((await namespace.list({ limit: 1 })).items.length > 0)
      throw new ShoalError('VOLUME_NOT_EMPTY', `The volume "${name}" is not empty: remove its entries first, or force it`)
    await this.#replica.change((transaction, tell) => {
      this.#replica.table.write(transaction, placeOf(name), { value: undefined })
      tell(placeOf(name))
    })
  }

  /** Uploads in parts on this node, of all volumes. */
  uploads(): UploadTable {
    return new UploadTable(this.#replica)
  }

  /** @throws VOLUME_NOT_FOUND */
  async open(name: string): Promise<EventualNamespace> {
    if ((await this.find(name)) === undefined) throw volumeNotFound(name)
    return new EventualNamespace(this.#replica, name)
  }

  #define(
    name: string,
    make: (before: EventualVolumeInfo | undefined) => EventualVolumeInfo & { readonly timeNs: bigint },
  ): Promise<EventualVolumeInfo> {
    return this.#replica.change((transaction, tell) => {
      const place = placeOf(name)
      const before = infoOf(name, shownVersion(this.#replica.table.read(transaction, place)))
      const { policy, createdNs, timeNs, tags } = make(before)
      const value = { ...definitionValue(policy, timeNs, createdNs), tags }
      checkValue(value)
      this.#replica.table.write(transaction, place, { value })
      tell(place)
      return { name, policy, createdNs, tags }
    })
  }
}

const placeOf = (name: string): Place => ({ volume: DEFINITIONS, path: name })

/** A definition that this release can't read counts as one with the default policy: the entries are there. */
function infoOf(
  name: string,
  shown: { readonly value: Parameters<typeof policyOf>[0] } | undefined,
): EventualVolumeInfo | undefined {
  if (shown === undefined) return undefined
  return {
    name,
    policy: policyOf(shown.value) ?? DEFAULT_EVENTUAL_POLICY,
    createdNs: shown.value.btimeNs,
    tags: shown.value.tags,
  }
}

function volumeNotFound(name: string): ShoalError {
  return new ShoalError('VOLUME_NOT_FOUND', `There is no volume "${name}" on this node: it may not have heard of it yet`)
}
