import { ShoalError } from '#foundation/errors.ts'
import { type Path, parsePath } from '#foundation/path.ts'
import type { MountableVolume } from '#gateway/fuse/own-volume.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import type { AttributeChanges, Caller, Conditions } from '#volume/volume.ts'
import { type ContentLayer, contentPieces, type ContentPiece, type JournalPlace } from './content-layer.ts'
import type { PendingNode, PendingUnit } from './pending-unit.ts'
import type { SmallUpload, Uploads } from './remote-uploads.ts'

/** A file up to this length goes with others. */
export const SMALL_BYTES_MAX = 1024 * 1024
/** Bytes of a large file that are written into the cluster at a time, and that are read out of the journal. */
const STEP_BYTES = 8 * 1024 * 1024
const READ_BYTES = 1024 * 1024

/** Into `target` where one is given that is long enough. */
export type ReadJournal = (place: JournalPlace, length: number, target?: Buffer) => Buffer

export interface UnitTarget {
  readonly volume: MountableVolume
  readonly uploads: Uploads
  readonly caller: Caller
  readonly readJournal: ReadJournal
}

/** What a unit is as part of a batch; `undefined` if it goes by itself. */
export function asSmall(unit: PendingUnit, read: ReadJournal): SmallUpload | undefined {
  const { kind, node, layer } = unit
  const path = node.movedTo ?? unit.path
  if (kind === 'mkdir') return { kind: 'directory', path, attributes: unit.changes }
  if (kind === 'symlink' && node.target !== undefined) return { kind, path, target: node.target, attributes: unit.changes }
  if (kind === 'remove') return node.base === undefined ? undefined : { kind: 'removal', path, inode: node.base.inode }
  if (layer === undefined && (kind === 'attributes' || kind === 'file')) {
    const isThere = node.base !== undefined && Object.keys(unit.changes).length > 0
    return isThere ? { kind: 'attributes', path, attributes: unit.changes } : undefined
  }
  if (kind !== 'file' || layer?.isWhole !== true || layer.sizeBytes > SMALL_BYTES_MAX) return undefined
  if (!unit.isMaking && node.base === undefined) return undefined
  const replaces = node.base === undefined ? 'absent' : entityTag(node.base)
  return { kind: 'file', path, bytes: wholeOf(layer, read), attributes: unit.changes, replaces }
}

/** Sends a unit by itself, and gives what the cluster has of its node then. @throws what the cluster says */
export async function sendUnit(unit: PendingUnit, target: UnitTarget): Promise<Attributes | undefined> {
  const { volume, caller } = target
  const { node, kind, layer, changes } = unit
  const path = parsePath(node.movedTo ?? unit.path)
  // What could not be made isn't there, whatever else lies at its place.
  if (!unit.isMaking && node.base === undefined) throw new ShoalError('NOT_FOUND', `"${unit.path}" isn't in the cluster`)
  if (kind === 'rename') {
    const conditions: Conditions =
      unit.replaces?.base === undefined ? { ifNoneMatch: '*' } : { ifMatch: [entityTag(unit.replaces.base)] }
    return volume.rename(path, parsePath(unit.to as string), { caller, conditions })
  }
  if (layer === undefined) return volume.setAttributes(path, changes, caller)
  if (!layer.isInParts) {
    const source = {
      sizeBytes: layer.sizeBytes,
      read: (offset: number, length: number) => bytesOf(contentPieces([layer], { offset, length }), target.readJournal),
    }
    const replaces = node.base === undefined ? 'absent' : entityTag(node.base)
    return target.uploads.storeFile(path.join('/'), source, { attributes: changes, replaces })
  }
  if (node.base === undefined) node.base = await makeEmpty(path, changes, target)
  return sendPart(path, { node, layer, changes }, target)
}

async function makeEmpty(path: Path, attributes: AttributeChanges, { volume, caller }: UnitTarget): Promise<Attributes> {
  const options = { caller, attributes, conditions: { ifNoneMatch: '*' } } as const
  return (await volume.writeFile(path, Buffer.alloc(0), options)).attributes
}

async function sendPart(
  path: Path,
  { node, layer, changes }: { readonly node: PendingNode; readonly layer: ContentLayer; readonly changes: AttributeChanges },
  { volume, caller, readJournal }: UnitTarget,
): Promise<Attributes> {
  let there = node.base as Attributes
  const still = (): Conditions => ({ ifMatch: [entityTag(there)] })
  if (layer.shownBytes < there.sizeBytes) there = await volume.truncate(path, layer.shownBytes, caller, still())
  for (const { offset, pieces } of stretches(layer)) {
    const bytes = Buffer.concat(pieces.map(({ place, length }) => readJournal(place, length)))
    there = await volume.writeAt(path, { offset, bytes, conditions: still() }, caller)
  }
  if (layer.sizeBytes !== there.sizeBytes) there = await volume.truncate(path, layer.sizeBytes, caller, still())
  return Object.keys(changes).length === 0 ? there : volume.setAttributes(path, changes, caller)
}

/** Runs that touch each other, as one write each. */
export function* stretches(
  layer: ContentLayer,
): Generator<{ readonly offset: number; readonly pieces: readonly (ContentPiece & { kind: 'journal' })[] }, void, undefined> {
  let pieces: (ContentPiece & { kind: 'journal' })[] = []
  let [start, end] = [0, 0]
  for (const run of layer.runs) {
    if (pieces.length > 0 && (run.offset !== end || end - start + run.length > STEP_BYTES)) {
      yield { offset: start, pieces }
      pieces = []
    }
    if (pieces.length === 0) start = run.offset
    pieces.push({ kind: 'journal', ...run })
    end = run.offset + run.length
  }
  if (pieces.length > 0) yield { offset: start, pieces }
}

/** All of a file of which nothing is taken from the cluster. */
export function wholeOf(layer: ContentLayer, read: ReadJournal): Buffer {
  const pieces = contentPieces([layer], { offset: 0, length: layer.sizeBytes })
  const [first] = pieces
  if (pieces.length === 1 && first?.kind === 'journal') return read(first.place, first.length)
  return Buffer.concat(
    pieces.map((piece) => (piece.kind === 'journal' ? read(piece.place, piece.length) : Buffer.alloc(piece.length))),
  )
}

/** In turns for what is read: the one is filled while the other is on its way. */
export type ReadBuffers = readonly [Buffer, Buffer]

export function readBuffers(): ReadBuffers {
  return [Buffer.allocUnsafeSlow(READ_BYTES), Buffer.allocUnsafeSlow(READ_BYTES)]
}

/** The bytes of pieces of which none is the cluster's. They are good until the next but one is asked for: a gigabyte of buffers that
 *  are used once is collected for as long as it takes to send it. */
export async function* bytesOf(
  pieces: readonly ContentPiece[],
  read: ReadJournal,
  buffers: ReadBuffers = readBuffers(),
): AsyncGenerator<Buffer, void, undefined> {
  let [next, last] = buffers
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += READ_BYTES) {
      const length = Math.min(READ_BYTES, piece.length - at)
      if (piece.kind !== 'journal') {
        yield Buffer.alloc(length)
        continue
      }
      yield read({ ...piece.place, position: piece.place.position + at }, length, next)
      ;[next, last] = [last, next]
    }
  }
}
