import type { WholeFileCalls } from '#client/whole-file-calls.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { AttributeChanges, OpenFile } from '#volume/volume.ts'
import { Draft, padded, type ReadBase, type Snapshot } from './draft.ts'
import type { OwnVersions } from './own-versions.ts'
import { attributesOf } from './remote-attributes.ts'
import type { RemoteVolume } from './remote-volume.ts'
import type { Scratch } from './scratch.ts'
import type { SeenFiles } from './seen-files.ts'

/** Shorter files are sent whole, and so fetched when a part of them is changed: then what others make of them meanwhile can be told apart. Of longer ones
 *  a single range is sent as one. */
const WHOLE_BYTES_MAX = 8 * 1024 * 1024
const RANGE_BYTES_MAX = 8 * 1024 * 1024
/** Others may change a file again and again while a part of it is on its way. */
const TRIES_MAX = 8
const NAME_BYTES_MAX = 255
const CALLER = { principal: 'mount' }

export interface DraftsOptions {
  readonly remote: Pick<RemoteVolume, 'stat' | 'openKnown' | 'writeAt'>
  readonly calls: Pick<WholeFileCalls, 'write'>
  readonly volume: string
  readonly scratch: Scratch
  readonly own: OwnVersions
  readonly seen: SeenFiles
  /** Named in the names of files that a volume with `cas` refuses. */
  readonly host: string
  readonly clock: Clock
  readonly log: Log
  /** The node has what was shown as one version as another one. */
  readonly onSent: (path: Path, attributes: Attributes, shownVersion: number) => Promise<void>
}

interface Placed {
  readonly path: Path
  readonly draft: Draft
}

/** What was written to files here and isn't stored yet, by path. */
export class Drafts {
  readonly #options: DraftsOptions
  readonly #drafts = new Map<string, Placed>()
  readonly #beginning = new Map<string, Promise<void>>()

  constructor(options: DraftsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#drafts.size
  }

  find(path: Path): Draft | undefined {
    return this.#drafts.size === 0 ? undefined : this.#drafts.get(formatPath(path))?.draft
  }

  open(path: Path, draft: Draft, attributes: Attributes): OpenFile {
    const read = (range: { offset: number; length: number }) => this.#reading(path, draft, range)
    return { attributes, bytes: undefined, read, close: () => undefined }
  }

  /** Takes `bytes` over. Where there is no room for them, what was written before is stored. @throws NOT_FOUND, NO_SPACE */
  async write(path: Path, { offset, bytes }: { readonly offset: number; readonly bytes: Buffer }): Promise<Attributes> {
    if (!this.#options.scratch.hasRoom(bytes.length)) await this.publish(path)
    return this.#edit(path, (draft, nowNs) => draft.write({ offset, bytes }, nowNs))
  }

  truncate(path: Path, sizeBytes: number): Promise<Attributes> {
    return this.#edit(path, (draft, nowNs) => draft.truncate(sizeBytes, nowNs))
  }

  /** Resolves when the node has what was written to the file before. @throws PRECONDITION_FAILED if the volume doesn't take it over what others have made
   *  of the file: then it lies beside it; or if a part of the file is needed that others have removed. What the node answers */
  async publish(path: Path): Promise<void> {
    const key = formatPath(path)
    const placed = this.#drafts.get(key)
    if (placed === undefined) return
    const { draft } = placed
    for (const { changes } = draft; !draft.isSent(changes);) {
      draft.sending ??= this.#send(placed).finally(() => {
        draft.sending = undefined
      })
      await draft.sending
    }
    if (draft.isDirty || draft.sending !== undefined || this.#drafts.get(key) !== placed) return
    this.#drafts.delete(key)
    draft.close()
  }

  /** Stores a file, or all that lie in a directory. @throws what `publish` throws, when all were tried */
  async publishBelow(path: Path): Promise<void> {
    if (this.#drafts.size === 0) return
    const below = [...this.#drafts.values()].filter(({ path: at }) => isBelow(at, path))
    const done = await Promise.allSettled(below.map((placed) => this.publish(placed.path)))
    for (const one of done) if (one.status === 'rejected') throw one.reason
  }

  /** Gives up what isn't stored. */
  discard(path: Path): void {
    const key = formatPath(path)
    this.#options.seen.drop(path)
    this.#drafts.get(key)?.draft.close()
    this.#drafts.delete(key)
  }

  /** A file or directory lies elsewhere, with those attributes. */
  moved(source: Path, target: Path, attributes: Attributes): void {
    for (const [key, { path, draft }] of this.#drafts) {
      if (!isBelow(path, source)) continue
      this.#drafts.delete(key)
      const to = [...target, ...path.slice(source.length)]
      if (path.length === source.length) draft.rebase(attributes)
      this.#drafts.set(formatPath(to), { path: to, draft })
    }
  }

  /** Takes a file out, with all that it has. @throws NOT_FOUND; NO_SPACE if it has too much */
  async keep(path: Path): Promise<{ readonly draft: Draft; restore(): void }> {
    const key = formatPath(path)
    for (;;) {
      const placed = await this.#draft(path)
      const { draft } = placed
      await this.settled(path)
      if (this.#drafts.get(key) === placed) await this.#fill(path, draft)
      // What is being sent must not come after its file is gone.
      if (this.#drafts.get(key) !== placed || draft.sending !== undefined) continue
      this.#drafts.delete(key)
      return { draft, restore: () => void this.#drafts.set(key, placed) }
    }
  }

  /** Resolves when nothing of the file is on its way. */
  async settled(path: Path): Promise<void> {
    for (let sending = this.find(path)?.sending; sending !== undefined; sending = this.find(path)?.sending)
      await sending.catch(() => undefined)
  }

  async #edit(path: Path, edit: (draft: Draft, nowNs: bigint) => void): Promise<Attributes> {
    let { draft } = await this.#draft(path)
    // It may have been sent by now.
    while (this.find(path) !== draft) ({ draft } = await this.#draft(path))
    edit(draft, this.#options.clock.nowNs())
    // Reading it is tried again when it is sent.
    if (draft.base.sizeBytes <= WHOLE_BYTES_MAX) await this.#fill(path, draft).catch(() => undefined)
    return draft.attributes(draft.base.inode)
  }

  async #draft(path: Path): Promise<Placed> {
    const key = formatPath(path)
    for (;;) {
      const there = this.#drafts.get(key)
      if (there !== undefined) return there
      let beginning = this.#beginning.get(key)
      if (beginning === undefined) {
        beginning = this.#begin(path).finally(() => this.#beginning.delete(key))
        this.#beginning.set(key, beginning)
      }
      await beginning
    }
  }

  async #begin(path: Path): Promise<void> {
    const key = formatPath(path)
    const base = this.#options.seen.find(path) ?? (await this.#options.remote.stat(path))
    if (base?.type !== 'file')
      throw new ShoalError(base?.type === 'directory' ? 'IS_A_DIRECTORY' : 'NOT_FOUND', `There is no file "${key}"`)
    this.#drafts.set(key, { path, draft: new Draft(this.#options.scratch, base) })
  }

  async #send({ path, draft }: Placed): Promise<void> {
    const { own, seen, onSent } = this.#options
    for (let tries = 1; ; tries += 1) {
      const snapshot = draft.snapshot()
      const mark = seen.mark()
      try {
        const attributes = await own.make(path, this.#store(path, draft, snapshot))
        draft.sent(attributes, snapshot.changes)
        seen.add(path, attributes, mark)
        return await onSent(path, attributes, snapshot.version)
      } catch (error) {
        if (!isShoalError(error, 'CONFLICT') && !isShoalError(error, 'PRECONDITION_FAILED')) throw error
        if (isShoalError(error, 'PRECONDITION_FAILED') && draft.missing.length === 0)
          return await this.#putBeside(path, draft, error)
        if (tries >= TRIES_MAX) throw error
        await this.#rebase(path, draft)
      }
    }
  }

  async #store(path: Path, draft: Draft, snapshot: Snapshot): Promise<Attributes> {
    const { remote, calls, volume } = this.#options
    const { base, sizeBytes, mtimeNs } = snapshot
    const run = base.sizeBytes > WHOLE_BYTES_MAX ? draft.onlyRun : undefined
    if (run !== undefined && run.length <= RANGE_BYTES_MAX) {
      const write = { offset: run.offset, bytes: draft.bytesOf(run), conditions: { ifMatch: [entityTag(base)] } }
      return remote.writeAt(path, write, CALLER)
    }
    const source = { sizeBytes, read: () => snapshot.read(this.#baseOf(path, base)) }
    const settings = { base: entityTag(base), mtime: formatTimestamp(mtimeNs) }
    return attributesOf(await calls.write(volume, formatPath(path), source, settings))
  }

  /** The volume takes a change only over the version that is there. */
  async #putBeside(path: Path, draft: Draft, cause: ShoalError): Promise<never> {
    const { calls, volume, host, clock, log } = this.#options
    const snapshot = draft.snapshot()
    const ending = `.conflict-${host}-${formatTimestamp(clock.nowNs()).slice(0, 23).replaceAll(/[-:.]/g, '')}Z`
    const beside = [...path.slice(0, -1), shortened(path.at(-1) as string, NAME_BYTES_MAX - ending.length) + ending]
    const source = { sizeBytes: snapshot.sizeBytes, read: () => snapshot.read(this.#baseOf(path, snapshot.base)) }
    await calls.write(volume, formatPath(beside), source, { ifNoneMatch: '*', mtime: formatTimestamp(snapshot.mtimeNs) })
    log.warn('Somebody else was first: what was written here lies beside it', {
      path: formatPath(path),
      conflict: formatPath(beside),
    })
    this.discard(path)
    throw cause
  }

  async #fill(path: Path, draft: Draft): Promise<void> {
    for (let tries = 1; draft.missing.length > 0; tries += 1) {
      try {
        for (const range of draft.missing) {
          let { offset } = range
          for await (const bytes of padded(this.#baseOf(path, draft.base)(range), range.length)) {
            draft.fill(offset, Buffer.from(bytes))
            offset += bytes.length
          }
        }
      } catch (error) {
        if (!isShoalError(error, 'CONFLICT') || tries >= TRIES_MAX) throw error
        await this.#rebase(path, draft)
      }
    }
  }

  async *#reading(path: Path, draft: Draft, range: { offset: number; length: number }): AsyncGenerator<Buffer, void, undefined> {
    const { base } = draft
    try {
      yield* draft.read(range, this.#baseOf(path, base))
    } catch (error) {
      // Whoever reads tries once more.
      if (isShoalError(error, 'CONFLICT') && draft.base === base) await this.#rebase(path, draft)
      throw error
    }
  }

  /** The version is there no more, and of it is needed what was not written here. @throws PRECONDITION_FAILED if there is none to take its place */
  async #rebase(path: Path, draft: Draft): Promise<void> {
    const base = await this.#options.remote.stat(path)
    if (base?.type === 'file') draft.rebase(base)
    else if (draft.missing.length > 0)
      throw new ShoalError('PRECONDITION_FAILED', `"${formatPath(path)}" was removed while a part of it was written`)
  }

  #baseOf(path: Path, base: Attributes): ReadBase {
    return ({ offset, length }) =>
      this.#options.remote.openKnown(path, base).read({ offset, length: Math.max(0, Math.min(length, base.sizeBytes - offset)) })
  }
}

/** A file that has lost its place while it is open here: what it has, and what is changed of it, goes with the last handle. */
export class Kept {
  readonly #draft: Draft
  readonly #clock: Pick<Clock, 'nowNs'>
  #attributes: Attributes

  constructor(draft: Draft, attributes: Attributes, clock: Pick<Clock, 'nowNs'>) {
    this.#draft = draft
    this.#attributes = attributes
    this.#clock = clock
  }

  get attributes(): Attributes {
    const { mode, uid, gid, inode } = this.#attributes
    return { ...this.#draft.attributes(inode), mode, uid, gid }
  }

  edit(edit: (draft: Draft, nowNs: bigint) => void): Attributes {
    edit(this.#draft, this.#clock.nowNs())
    return this.attributes
  }

  change(changes: Pick<AttributeChanges, 'mode' | 'uid' | 'gid'>): Attributes {
    this.#attributes = { ...this.#attributes, ...changes }
    return this.attributes
  }

  open(): OpenFile {
    const read = (range: { offset: number; length: number }) => this.#draft.read(range, nothing)
    return { attributes: this.attributes, bytes: undefined, read, close: () => undefined }
  }

  close(): void {
    this.#draft.close()
  }
}

async function* nothing(): AsyncGenerator<Buffer> {}

function isBelow(path: Path, above: Path): boolean {
  return path.length >= above.length && above.every((name, at) => path[at] === name)
}

function shortened(name: string, bytesMax: number): string {
  let short = name
  while (Buffer.byteLength(short) > bytesMax) short = short.slice(0, -1)
  return short
}
