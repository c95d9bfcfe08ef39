import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { roomFor } from '#placement/room.ts'
import { createClass, findClass, removeClass, updateClass } from './classes.ts'
import type { ClassSettings } from './classes.ts'
import type { SystemRecords } from './system-records.ts'
import { layoutName } from './system-view.ts'
import type { ClassRecord, SystemView } from './system-view.ts'

/** A class, and what the cluster can give it now. */
export interface ClassInfo {
  readonly record: ClassRecord
  /** That may hold its chunks. */
  readonly nodes: number
  /** The copies of each chunk, and the least number of zones that they lie in. */
  readonly placed: { readonly copies: number; readonly zones: number }
  /** There are fewer nodes or zones than it asks for. */
  readonly isShort: boolean
  /** Chunks are on their way to where they belong now. */
  readonly isMoving: boolean
  /** Of how much more contents there is room for with all their copies; `undefined` where that isn't known. */
  readonly freeBytes: number | undefined
}

export interface ClassDeskOptions {
  readonly records: SystemRecords
  /** Names of volumes that have the class. */
  readonly volumesOf: (name: string) => Promise<readonly string[]>
  /** Brings the layouts up to date after a change. */
  readonly changed: () => Promise<void>
  /** What a node has last said to have left. */
  readonly freeBytes: (node: NodeId) => number | undefined
}

/** The replication classes, for whoever administers them. */
export class ClassDesk {
  readonly #options: ClassDeskOptions

  constructor(options: ClassDeskOptions) {
    this.#options = options
  }

  list(): readonly ClassInfo[] {
    const { view } = this.#options.records
    const records = [...view.classes.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
    return records.map((record) => this.#infoOf(view, record))
  }

  /** @throws NOT_FOUND */
  show(name: string): ClassInfo {
    const { view } = this.#options.records
    return this.#infoOf(view, findClass(view, name))
  }

  /** A class that asks for more nodes or zones than there are is one that waits for them: `isShort`.
   *  @throws INVALID_ARGUMENT, ALREADY_EXISTS, UNSUPPORTED, QUOTA_EXCEEDED, NO_SPACE */
  async create(name: string, settings: ClassSettings): Promise<ClassInfo> {
    await this.#options.records.change((view) => createClass(view, name, settings))
    await this.#options.changed()
    return this.show(name)
  }

  /** @throws NOT_FOUND, INVALID_ARGUMENT, UNSUPPORTED, NO_SPACE */
  async update(name: string, changes: ClassSettings): Promise<ClassInfo> {
    await this.#options.records.change((view) => updateClass(view, name, changes))
    await this.#options.changed()
    return this.show(name)
  }

  /** A volume that gets the class in the same moment has `default` then. @throws NOT_FOUND, FORBIDDEN for `default`, CONFLICT if volumes have it */
  async remove(name: string): Promise<void> {
    const { records, volumesOf, changed } = this.#options
    removeClass(records.view, name)
    const volumes = await volumesOf(name)
    if (volumes.length > 0) {
      const first = volumes.slice(0, 3).map((volume) => `"${volume}"`)
      throw new ShoalError(
        'CONFLICT',
        `The class "${name}" can't be deleted: ${volumes.length} volumes have it, such as ${first.join(', ')}`,
      )
    }
    await records.change((view) => removeClass(view, name))
    await changed()
  }

  #infoOf(view: SystemView, record: ClassRecord): ClassInfo {
    const pair = view.layouts.get(layoutName(record))
    const shortfall = pair?.next.shortfall()
    const whole = { copies: record.copies, zones: record.zones }
    const placed = shortfall === undefined ? whole : { copies: shortfall.copies.placed, zones: shortfall.zones.placed }
    const nodes = pair?.next.nodes ?? []
    const free = nodes.filter(({ weight }) => weight > 0).map(({ id }) => this.#options.freeBytes(id))
    const known = free.filter((bytes) => bytes !== undefined)
    return {
      record,
      nodes: nodes.length,
      placed: pair === undefined ? { copies: 0, zones: 0 } : placed,
      isShort: pair === undefined || shortfall !== undefined,
      isMoving: pair?.isChanging ?? false,
      freeBytes: known.length === 0 || known.length < free.length ? undefined : roomFor(known, record.copies),
    }
  }
}
