import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { RequestMark } from '#foundation/request-mark.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import type { EventualVolumes } from './eventual-volumes.ts'
import type { AskedOptions, FollowOptions, Heard } from './feed-questions.ts'
import type { StrongVolumes } from './strong-volumes.ts'
import type { Bucket, BucketSettings, BucketVolumes } from './bucket-settings.ts'
import type { GuardedVolume, GuardedVolumes } from './locks.ts'
import type { Objects, ObjectVolumes } from './objects.ts'
import type { Caller, Change, KnownVolumes, VolumeSettings } from './volume.ts'

/** Strong and eventual volumes as one directory. A name is looked for among the eventual ones first: what is known of these is at hand on
 *  every node. That no two have one name is seen to as far as this node knows of both. */
export class AllVolumes implements GuardedVolumes, ObjectVolumes, BucketVolumes {
  readonly #strong: StrongVolumes
  readonly #eventual: EventualVolumes
  readonly #isStrongKnown: () => boolean

  /** `isStrongKnown` says whether this node knows the strong volumes, as one that leads does. */
  constructor(strong: StrongVolumes, eventual: EventualVolumes, isStrongKnown: () => boolean = () => true) {
    this.#strong = strong
    this.#eventual = eventual
    this.#isStrongKnown = isStrongKnown
  }

  async create(name: string, settings: Partial<VolumeSettings>, caller: Caller): Promise<VolumeInfo> {
    if (settings.consistency !== 'eventual') return this.#strong.create(name, strongOf(settings), caller)
    if (await this.#isStrong(name)) throw exists(name)
    return this.#eventual.create(name, settings, caller)
  }

  async list(): Promise<readonly VolumeInfo[]> {
    const [eventual, strong] = [await this.#eventual.list(), await this.#strong.list()]
    const names = new Set(eventual.map(({ name }) => name))
    return [...eventual, ...strong.filter(({ name }) => !names.has(name))].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  async listKnown(): Promise<KnownVolumes> {
    if (this.#isStrongKnown()) {
      try {
        return { volumes: await this.list() }
      } catch (error) {
        if (!isShoalError(error, 'UNAVAILABLE')) throw error
      }
    }
    return { volumes: await this.#eventual.list(), missing: 'strong' }
  }

  async find(name: string): Promise<VolumeInfo | undefined> {
    return this.#eventual.has(name) ? this.#eventual.find(name) : this.#strong.find(name)
  }

  async update(name: string, settings: Partial<VolumeSettings>, caller: Caller): Promise<VolumeInfo> {
    const isEventual = this.#eventual.has(name)
    const { consistency } = settings
    // What a volume promises of consistency is chosen when it is made.
    if (consistency !== undefined && (consistency === 'eventual') !== isEventual) throw exists(name)
    return isEventual ? this.#eventual.update(name, settings) : this.#strong.update(name, strongOf(settings), caller)
  }

  remove(name: string, options: { caller: Caller; force?: boolean }): Promise<void> {
    return this.#eventual.has(name) ? this.#eventual.remove(name, options) : this.#strong.remove(name, options)
  }

  open(name: string): Promise<GuardedVolume> {
    return this.#eventual.has(name) ? this.#eventual.open(name) : this.#strong.open(name)
  }

  openObjects(name: string): Promise<Objects> {
    return this.#eventual.has(name) ? this.#eventual.openObjects(name) : this.#strong.openObjects(name)
  }

  openBucket(name: string): Promise<Bucket> {
    return this.#eventual.has(name) ? this.#eventual.openBucket(name) : this.#strong.openBucket(name)
  }

  /** Makes a strong volume. */
  createBucket(name: string, options: Parameters<BucketVolumes['createBucket']>[1]): Promise<VolumeInfo> {
    return this.#strong.createBucket(name, options)
  }

  changeSettings(name: string, options: Parameters<BucketVolumes['changeSettings']>[1]): Promise<BucketSettings> {
    if (!this.#eventual.has(name)) return this.#strong.changeSettings(name, options)
    return this.#eventual.changeSettings(name, options.change)
  }

  removeBucket(name: string, caller: Caller): Promise<void> {
    return this.#eventual.has(name) ? this.#eventual.removeBucket(name) : this.#strong.removeBucket(name, caller)
  }

  /** Whether results of changes of the volume are remembered. */
  remembers(name: string): boolean {
    return !this.#eventual.has(name)
  }

  /** What is to be told of a request for a volume that has failed, and may have come before. Of eventual ones nothing is remembered. */
  async settleRequest(name: string, request: RequestMark, error: ShoalError): Promise<ShoalError> {
    return this.#eventual.has(name) ? error : this.#strong.settleRequest(request, error)
  }

  /** Of all strong volumes; or of one volume, which may be an eventual one. */
  changes(options: FollowOptions): AsyncIterableIterator<Change> {
    const { volume } = options
    if (volume !== undefined && this.#eventual.has(volume)) return this.#eventual.changes.follow({ ...options, volume })
    return this.#strong.changes(options)
  }

  askedChanges(options: AskedOptions): AsyncIterableIterator<Change | Heard> {
    const { volume } = options
    if (volume === undefined || !this.#eventual.has(volume)) return this.#strong.askedChanges(options)
    throw new ShoalError('UNSUPPORTED', `"${volume}" is an eventual volume: nobody knows all that was acknowledged elsewhere`)
  }

  freeBytes(): Promise<number | undefined> {
    return this.#strong.freeBytes()
  }

  async currentCursor(volume?: string): Promise<string> {
    if (volume !== undefined && this.#eventual.has(volume)) return this.#eventual.changes.currentCursor()
    return this.#strong.currentCursor()
  }

  /** Where it can't be known now, nobody is kept from making an eventual one. */
  async #isStrong(name: string): Promise<boolean> {
    try {
      return (await this.#strong.find(name)) !== undefined
    } catch (error) {
      if (!isShoalError(error, 'UNAVAILABLE')) throw error
      return false
    }
  }
}

/** @throws INVALID_ARGUMENT for what only eventual volumes have */
function strongOf({ onConflict, keep, ...policy }: Partial<VolumeSettings>): Partial<VolumeSettings> {
  const field = onConflict !== undefined ? 'onConflict' : keep !== undefined ? 'keep' : undefined
  if (field === undefined) return policy
  throw new ShoalError('INVALID_ARGUMENT', `"${field}" is for eventual volumes: give "consistency": "eventual" with it`, {
    details: { field },
  })
}

function exists(name: string): ShoalError {
  return new ShoalError('VOLUME_EXISTS', `There is a volume "${name}" already`, { details: { volume: name } })
}
