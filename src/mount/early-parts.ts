import { ShoalError } from '#foundation/errors.ts'
import type { OwnChanges } from '#gateway/fuse/own-changes.ts'
import { entityTag, type Attributes } from '#metadata/attributes.ts'
import type { AttributeChanges } from '#volume/volume.ts'
import { contentPieces, type ContentPiece, type JournalPlace } from './content-layer.ts'
import type { HandedParts } from './handed-parts.ts'
import type { PendingUnit } from './pending-unit.ts'
import type { PartedFile } from './remote-uploads.ts'
import { bytesOf, type ReadBuffers, readBuffers, type UnitTarget } from './upload-units.ts'

/** One chunk of the usual length, of which the node computes one digest; a journal of 1 GiB makes 128. */
export const PART_BYTES = 8 * 1024 * 1024
/** Shorter files are sent as soon when they are there as a whole. */
const WORTH_PARTS = 2
/** Of all files together, and of one that is published. A node spends most of the time that it takes for one waiting for its disk, and has
 *  room for twelve. Each is read as it is sent. */
const UNDER_WAY_MAX = 8

export interface EarlyPartsOptions extends UnitTarget {
  readonly own: OwnChanges
  /** Hands parts over to a node of this machine; all are sent unless given. */
  readonly handed?: HandedParts | undefined
  /** The file of the journal that a place lies in. */
  readonly pathOf: (place: JournalPlace) => string | undefined
  /** Parts of a file are sent from now on. */
  readonly onBegun: () => void
}

interface Part {
  readonly pieces: readonly ContentPiece[]
  /** Whether the cluster has it. */
  readonly isStored: Promise<boolean>
}

/** A file of which parts are in the cluster, where nobody sees them. */
interface Early {
  /** Where it is going to lie. */
  readonly path: string
  readonly file: Promise<PartedFile>
  /** From the first one on. */
  readonly parts: Part[]
  readonly mode: number | undefined
  /** The node may be storing a part still that nobody waits for any more, and that may be another one by then. */
  isUnclear: boolean
}

/** Sends a long new file part by part while it is being written, so that little is left to be sent when it is closed. Until it is
 *  published as a whole it isn't there, and what was written over parts that are sent is sent again. */
export class EarlyParts {
  readonly #options: EarlyPartsOptions
  readonly #files = new Map<PendingUnit, Early>()
  /** Serve again: two new ones for each part had the heap collected a few times in each gigabyte, 0.5 s in all. */
  #free: ReadBuffers[] = []
  #underWay = 0

  constructor(options: EarlyPartsOptions) {
    this.#options = options
  }

  /** Something was written to the file of a unit. */
  grown(unit: PendingUnit): void {
    for (;;) {
      const next = this.#next(unit)
      if (next === undefined) return
      this.#begin(unit).parts.push({ pieces: next, isStored: this.#send(unit, next) })
    }
  }

  /** Gives up what is not going to be published, since the file was removed. */
  sweep(): void {
    for (const unit of this.#files.keys()) if (!isPending(unit)) this.#giveUp(unit)
  }

  /** Publishes what a unit makes, if parts of it were sent; `undefined` if it has to be sent as a whole.
   *  @throws what the cluster says: it is sent as a whole the next time */
  store(unit: PendingUnit): Promise<Attributes> | undefined {
    const early = this.#files.get(unit)
    if (early === undefined) return undefined
    const { layer, node, path } = unit
    const count = Math.ceil((layer?.sizeBytes ?? 0) / PART_BYTES)
    const isElsewhere = (node.movedTo ?? path) !== early.path
    if (layer?.isInParts !== false || isElsewhere || early.parts.length > count || early.isUnclear) {
      this.#giveUp(unit)
      return undefined
    }
    return this.#publish(unit, { early, count }).catch((error: unknown) => {
      this.#giveUp(unit)
      throw error
    })
  }

  /** What the next part is made of, if it may be sent now. */
  #next(unit: PendingUnit): readonly ContentPiece[] | undefined {
    const { kind, layer, node, isSent, after } = unit
    const early = this.#files.get(unit)
    const count = early?.parts.length ?? 0
    if (kind !== 'file' || layer === undefined || layer.sizeBytes < Math.max(WORTH_PARTS, count + 1) * PART_BYTES)
      return undefined
    if (this.#underWay >= UNDER_WAY_MAX || isSent || after.size > 0 || unit.group !== undefined) return undefined
    if (early?.isUnclear === true) return undefined
    if (!isPending(unit) || !layer.isWhole || node.movedTo !== undefined || (!unit.isMaking && node.base === undefined))
      return undefined
    const pieces = contentPieces([layer], { offset: count * PART_BYTES, length: PART_BYTES })
    return pieces.every((piece) => piece.kind === 'journal') ? pieces : undefined
  }

  #begin(unit: PendingUnit): Early {
    const begun = this.#files.get(unit)
    if (begun !== undefined) return begun
    const { path, node, changes } = unit
    const replaces = node.base === undefined ? 'absent' : entityTag(node.base)
    const attributes = changes.mode === undefined ? {} : { mode: changes.mode }
    const file = this.#options.uploads.beginFile(path, { attributes, replaces })
    file.catch(() => undefined)
    const early: Early = { path, file, parts: [], mode: changes.mode, isUnclear: false }
    this.#files.set(unit, early)
    unit.isBegun = true
    this.#options.onBegun()
    return early
  }

  async #send(unit: PendingUnit, pieces: readonly ContentPiece[]): Promise<boolean> {
    const early = this.#begin(unit)
    const number = early.parts.length + 1
    this.#underWay += 1
    try {
      await this.#put(early, { number, pieces })
      return true
    } catch {
      // It is sent again when the file is, and says why it can't be.
      return false
    } finally {
      this.#underWay -= 1
      queueMicrotask(() => this.grown(unit))
    }
  }

  async #put(early: Early, part: { readonly number: number; readonly pieces: readonly ContentPiece[] }): Promise<void> {
    const { handed, pathOf } = this.#options
    const begun = await early.file
    try {
      if (await handed?.take(begun, part, pathOf)) return
    } catch (error) {
      early.isUnclear = true
      throw error
    }
    await this.#sendBytes(begun, part)
  }

  async #sendBytes(
    begun: PartedFile,
    { number, pieces }: { readonly number: number; readonly pieces: readonly ContentPiece[] },
  ): Promise<void> {
    const { readJournal } = this.#options
    const sizeBytes = pieces.reduce((sum, { length }) => sum + length, 0)
    const buffers = this.#free.pop() ?? readBuffers()
    let tries = 0
    const read = () => {
      tries += 1
      // What a try that broke off has in its hands may be on its way still.
      return tries === 1 ? bytesOf(pieces, readJournal, buffers) : bytesOf(pieces, readJournal)
    }
    await begun.put(number, { sizeBytes, read })
    if (tries === 1 && this.#files.size > 0) this.#free.push(buffers)
  }

  async #publish(unit: PendingUnit, { early, count }: { readonly early: Early; readonly count: number }): Promise<Attributes> {
    const { own } = this.#options
    const layer = unit.layer as NonNullable<typeof unit.layer>
    const { sizeBytes } = layer
    let next = 0
    const work = async (): Promise<void> => {
      for (let index = next++; index < count; index = next++) {
        const part = early.parts[index]
        const pieces = contentPieces([layer], { offset: index * PART_BYTES, length: PART_BYTES })
        // What is on its way must not arrive after what takes its place.
        const isStored = (await part?.isStored) === true
        if (isStored && part !== undefined && isSame(part.pieces, pieces)) continue
        await this.#put(early, { number: index + 1, pieces })
      }
    }
    const ended = await Promise.allSettled(Array.from({ length: UNDER_WAY_MAX }, work))
    const failure = ended.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
    if (failure !== undefined) throw failure.reason
    if (early.isUnclear)
      throw new ShoalError('UNAVAILABLE', 'A part is stored perhaps that nobody has waited for: all is sent anew')
    const stored = await own.make('names', (await early.file).commit(sizeBytes))
    this.#done(unit)
    return this.#withAttributes(unit, { stored, mode: early.mode })
  }

  async #withAttributes(
    unit: PendingUnit,
    { stored, mode }: { readonly stored: Attributes; readonly mode: number | undefined },
  ): Promise<Attributes> {
    const { volume, caller } = this.#options
    const { uid, gid, ...rest } = unit.changes
    const changes: AttributeChanges = {
      ...rest,
      ...(uid === undefined || uid === stored.uid ? {} : { uid }),
      ...(gid === undefined || gid === stored.gid ? {} : { gid }),
    }
    const path = (unit.node.movedTo ?? unit.path).split('/')
    const { mode: wanted, ...others } = changes
    const asked = wanted === mode ? others : changes
    return Object.keys(asked).length === 0 ? stored : volume.setAttributes(path, asked, caller)
  }

  #done(unit: PendingUnit): void {
    this.#files.delete(unit)
    if (this.#files.size === 0) this.#free = []
  }

  #giveUp(unit: PendingUnit): void {
    const early = this.#files.get(unit)
    this.#done(unit)
    // What isn't given up here goes at the node, after its time.
    early?.file.then((file) => file.abort()).catch(() => undefined)
  }
}

/** It is neither done nor called off. */
function isPending({ node, layer }: PendingUnit): boolean {
  return layer !== undefined && node.layers.includes(layer)
}

function isSame(one: readonly ContentPiece[], other: readonly ContentPiece[]): boolean {
  return one.length === other.length && one.every((piece, at) => isSamePiece(piece, other[at] as ContentPiece))
}

function isSamePiece(one: ContentPiece, other: ContentPiece): boolean {
  if (one.kind !== 'journal' || other.kind !== 'journal') return false
  const [from, to] = [one.place, other.place]
  return one.length === other.length && from.segment === to.segment && from.position === to.position
}
