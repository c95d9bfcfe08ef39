import type { ReadIntoOptions } from '#client/download.ts'
import type { ShoalClient } from '#client/shoal-client.ts'
import type { AttributeSettings, RemoteEntry, RemoteVolume as RemoteVolumeInfo } from '#client/wire.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { TenantId, VolumeId } from '#foundation/ids.ts'
import { decodeName, encodeName } from '#foundation/name.ts'
import { checkName, formatPath, type Path } from '#foundation/path.ts'
import { formatTimestamp, parseTimestamp } from '#foundation/timestamp.ts'
import type { LocalFile, MountableVolume } from '#gateway/fuse/own-volume.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import type { Clock } from '#platform/clock.ts'
import { countArrived } from '#platform/young-memory.ts'
import type { AttributeChanges, Caller, Conditions, ListOptions, Locations, ReservedRange, Volume } from '#volume/volume.ts'
import type { DataCache, RemoteFile } from './data-cache.ts'
import { attributesOf } from './remote-attributes.ts'

/** How old the figures of `df` may be. */
const INFO_MS_MAX = 5_000
/** As much as the kernel asks for at once. */
const PIECE_BYTES_MAX = 1024 * 1024

type Arguments<M extends keyof Volume> = Volume[M] extends (...args: infer A) => unknown ? A : never

/** A volume of a node, over REST, as mounts use it. Callers are whoever the client's key belongs to. */
export class RemoteVolume implements MountableVolume {
  readonly #client: ShoalClient
  readonly #name: string
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #cache: DataCache | undefined
  #info: VolumeInfo
  #infoFromMs: number

  private constructor(client: ShoalClient, clock: Pick<Clock, 'monotonicMs'>, info: RemoteVolumeInfo) {
    this.#client = client
    this.#name = info.name
    this.#clock = clock
    this.#info = infoOf(info)
    this.#infoFromMs = clock.monotonicMs()
  }

  /** @throws VOLUME_NOT_FOUND, and what calls throw */
  static async open(client: ShoalClient, name: string, clock: Pick<Clock, 'monotonicMs'>): Promise<RemoteVolume> {
    return new RemoteVolume(client, clock, await client.getVolume(name))
  }

  /** As of the last time that it was asked for, or a little before. */
  get info(): VolumeInfo {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#infoFromMs > INFO_MS_MAX) {
      this.#infoFromMs = nowMs
      this.#client.getVolume(this.#name).then(
        (info) => {
          this.#info = infoOf(info)
        },
        // The next one asks again.
        () => undefined,
      )
    }
    return this.#info
  }

  async stat(path: Path): Promise<Attributes | undefined> {
    try {
      return attributesOf(await this.#client.getEntry(this.#name, formatPath(path)))
    } catch (error) {
      if (isShoalError(error, 'NOT_FOUND') || isShoalError(error, 'NOT_A_DIRECTORY')) return undefined
      throw error
    }
  }

  async list(path: Path, { cursor, limit }: ListOptions = {}): Promise<Awaited<ReturnType<Volume['list']>>> {
    const page = await this.#client.listPage(this.#name, formatPath(path), { cursor, ...(limit === undefined ? {} : { limit }) })
    if (!Array.isArray(page.entries)) throw new ShoalError('INTERNAL', 'The node answered with something that is no listing')
    return { entries: page.entries.map((entry) => ({ path: [nameIn(entry)], attributes: attributesOf(entry) })), next: page.next }
  }

  /** What is read is compared with what was opened: CONFLICT if the file has changed since. */
  async openFile(path: Path): Promise<LocalFile | undefined> {
    const attributes = await this.stat(path)
    return attributes === undefined ? undefined : this.openKnown(path, attributes)
  }

  /** Opens what the caller knows to be there, without asking. */
  openKnown(path: Path, attributes: Attributes): LocalFile {
    const file: RemoteFile = {
      attributes,
      bytes: attributes.sizeBytes === 0 ? Buffer.alloc(0) : undefined,
      read: (range, signal) => this.#read(path, { attributes, range, signal }),
      fill: (offset, into) => this.#fill(path, { attributes, offset, into }),
      close: () => undefined,
    }
    return this.#cache === undefined || attributes.type !== 'file' ? file : this.#cache.open(file)
  }

  /** Keeps what is read from now on. */
  keepIn(cache: DataCache): void {
    this.#cache = cache
  }

  async writeFile(...[path, body, options]: Arguments<'writeFile'>): ReturnType<Volume['writeFile']> {
    if (!Buffer.isBuffer(body)) throw new ShoalError('UNSUPPORTED', 'A mount stores files of bytes at hand only')
    const { mode, uid, gid } = options.attributes ?? {}
    const text = formatPath(path)
    let entry = await this.#client.writeSmallFile(this.#name, text, body, {
      parents: options.createParents === true,
      ...(mode === undefined ? {} : { mode: octal(mode) }),
      ...(options.conditions?.ifNoneMatch === '*' ? { ifNoneMatch: '*' } : {}),
    })
    const isOwned = (uid === undefined || uid === entry.uid) && (gid === undefined || gid === entry.gid)
    if (!isOwned) entry = await this.#client.setAttributes(this.#name, text, owner(uid, gid))
    return { attributes: attributesOf(entry), created: true }
  }

  async writeAt(...[path, { offset, bytes, conditions }]: Arguments<'writeAt'>): Promise<Attributes> {
    const write = { offset, bytes, ...tagIn(conditions) }
    return attributesOf(await this.#client.writeRange(this.#name, formatPath(path), write))
  }

  async truncate(...[path, sizeBytes, , conditions]: Arguments<'truncate'>): Promise<Attributes> {
    return attributesOf(await this.#client.truncate(this.#name, formatPath(path), sizeBytes, tagIn(conditions).ifMatch))
  }

  async punch(path: Path, range: { readonly offset: number; readonly length: number }): Promise<Attributes> {
    return attributesOf(await this.#client.changeRoom(this.#name, formatPath(path), { op: 'punch', ...range }))
  }

  async reserve(path: Path, range: ReservedRange, caller: Caller): Promise<Attributes> {
    try {
      return attributesOf(await this.#client.changeRoom(this.#name, formatPath(path), { op: 'reserve', ...range }))
    } catch (error) {
      if (!isShoalError(error, 'INVALID_ARGUMENT')) throw error
    }
    // A node of an older release, which has lengths and nothing more.
    const attributes = await this.stat(path)
    if (attributes === undefined) throw new ShoalError('NOT_FOUND', `There is no "${formatPath(path)}"`)
    const end = range.offset + range.length
    return range.keepsSize || end <= attributes.sizeBytes ? attributes : this.truncate(path, end, caller)
  }

  /** Where holes are, and of what is in between that it is there. */
  async locate(path: Path): Promise<Locations | undefined> {
    const attributes = await this.stat(path)
    if (attributes === undefined) return undefined
    const { extents } = await this.#client.locate(this.#name, formatPath(path))
    const found = extents.map(({ offset, length, kind }): Locations['extents'][number] => ({
      offset,
      length,
      kind: kind === 'hole' ? 'hole' : 'chunk',
      chunk: undefined,
      nodes: [],
      copies: [],
      state: 'stored',
    }))
    return { attributes, extents: found }
  }

  async copyRange(...[copy]: Arguments<'copyRange'>): Promise<Attributes> {
    const { source, sourceOffset, target, targetOffset, length } = copy
    const range = { from: formatPath(source), fromOffset: sourceOffset, offset: targetOffset, length }
    return attributesOf(await this.#client.copyRange(this.#name, formatPath(target), range))
  }

  async makeDirectory(...[path, { mode }]: Arguments<'makeDirectory'>): Promise<Attributes> {
    const settings = mode === undefined ? {} : { mode: octal(mode) }
    return attributesOf(await this.#client.makeDirectory(this.#name, formatPath(path), settings))
  }

  async makeSymlink(path: Path, target: Buffer): Promise<Attributes> {
    return attributesOf(await this.#client.makeSymlink(this.#name, formatPath(path), decodeName(target)))
  }

  async makeNode(...[path, { type, mode, rdev }]: Arguments<'makeNode'>): Promise<Attributes> {
    const node = { type, mode: octal(mode), ...(rdev === undefined ? {} : { rdev }) }
    return attributesOf(await this.#client.makeNode(this.#name, formatPath(path), node))
  }

  async readSymlink(path: Path): Promise<Buffer> {
    const { target } = await this.#client.getEntry(this.#name, formatPath(path))
    if (target === undefined) throw new ShoalError('INVALID_ARGUMENT', `"${formatPath(path)}" is not a symbolic link`)
    return encodeName(target)
  }

  async link(source: Path, target: Path): Promise<Attributes> {
    return attributesOf(await this.#client.link(this.#name, formatPath(source), formatPath(target)))
  }

  async rename(...[source, target, { mode, conditions }]: Arguments<'rename'>): Promise<Attributes> {
    const isNew = conditions?.ifNoneMatch === '*' ? { ifNoneMatch: '*' as const } : {}
    const options = { to: formatPath(target), ...(mode === undefined ? {} : { mode }), ...tagIn(conditions), ...isNew }
    return attributesOf(await this.#client.move(this.#name, formatPath(source), options))
  }

  async remove(path: Path): Promise<void> {
    await this.#client.remove(this.#name, formatPath(path))
  }

  async setAttributes(path: Path, changes: AttributeChanges): Promise<Attributes> {
    return attributesOf(await this.#client.setAttributes(this.#name, formatPath(path), settingsOf(changes)))
  }

  async listXattrs(path: Path): Promise<readonly string[]> {
    return Object.keys(await this.#xattrs(path))
  }

  async readXattr(path: Path, name: string): Promise<Buffer | undefined> {
    const value = (await this.#xattrs(path))[name]
    return value === undefined ? undefined : Buffer.from(value, 'base64')
  }

  /** `mode` is judged before the change, not in the same step. */
  async writeXattr(...[path, { name, value, mode }]: Arguments<'writeXattr'>): Promise<void> {
    if (mode !== undefined) {
      const isThere = Object.hasOwn(await this.#xattrs(path), name)
      if (mode === 'create' && isThere) throw new ShoalError('ALREADY_EXISTS', `The attribute "${name}" exists already`)
      if (mode === 'replace' && !isThere) throw new ShoalError('XATTR_NOT_FOUND', `There is no attribute "${name}"`)
    }
    const xattrs = { [name]: value.toString('base64') }
    await this.#client.setAttributes(this.#name, formatPath(path), { xattrs })
  }

  /** Whether it is there is judged before the change, not in the same step. */
  async removeXattr(path: Path, name: string): Promise<void> {
    if (!Object.hasOwn(await this.#xattrs(path), name)) throw new ShoalError('XATTR_NOT_FOUND', `There is no attribute "${name}"`)
    await this.#client.setAttributes(this.#name, formatPath(path), { xattrs: { [name]: null } })
  }

  async #xattrs(path: Path): Promise<Readonly<Record<string, string>>> {
    return (await this.#client.getEntry(this.#name, formatPath(path), { xattrs: true })).xattrs ?? {}
  }

  async *#read(
    path: Path,
    reading: {
      readonly attributes: Attributes
      readonly range: { readonly offset: number; readonly length: number }
      readonly signal: AbortSignal | undefined
    },
  ): AsyncGenerator<Buffer, void, undefined> {
    const { attributes, range, signal } = reading
    const end = range.offset + range.length
    for (let offset = range.offset; offset < end; offset += PIECE_BYTES_MAX) {
      const into = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES_MAX, end - offset))
      await this.#fill(path, { attributes, offset, into, signal })
      yield into
    }
  }

  async #fill(path: Path, { attributes, ...reading }: Filling): Promise<void> {
    await this.#client.readInto(this.#name, formatPath(path), {
      ...reading,
      etag: entityTag(attributes),
      arrived: countArrived,
    })
  }
}

type Filling = Omit<ReadIntoOptions, 'etag' | 'arrived'> & { readonly attributes: Attributes }

/** @throws INTERNAL for what the kernel would take for a path, or for nothing */
function nameIn({ name }: RemoteEntry): string {
  try {
    checkName(name)
    return name
  } catch (cause) {
    throw new ShoalError('INTERNAL', `The node listed "${name}", which is no name`, { cause })
  }
}

/** A mount has one entity tag to compare with. */
function tagIn(conditions: Conditions | undefined): { ifMatch?: string } {
  const tag = Array.isArray(conditions?.ifMatch) ? (conditions.ifMatch as readonly string[])[0] : undefined
  return tag === undefined ? {} : { ifMatch: tag }
}

export function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

function owner(uid: number | undefined, gid: number | undefined): Pick<AttributeChanges, 'uid' | 'gid'> {
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) }
}

function settingsOf({ mode, uid, gid, atimeNs, mtimeNs }: AttributeChanges): AttributeSettings {
  return {
    ...(mode === undefined ? {} : { mode: octal(mode) }),
    ...owner(uid, gid),
    ...(atimeNs === undefined ? {} : { atime: formatTimestamp(atimeNs) }),
    ...(mtimeNs === undefined ? {} : { mtime: formatTimestamp(mtimeNs) }),
  }
}

function infoOf(info: RemoteVolumeInfo): VolumeInfo {
  return {
    id: info.id as VolumeId,
    tenant: 1 as TenantId,
    name: info.name,
    policy: {
      consistency: info.consistency === 'eventual' ? 'eventual' : 'strong',
      class: info.class,
      chunkSizeBytes: info.chunkSizeBytes,
      quotaBytes: info.quotaBytes ?? undefined,
      quotaFiles: info.quotaFiles ?? undefined,
      durability: 'durable',
      versioning: 'off',
    },
    usage: info.usage,
    createdNs: parseTimestamp(info.created, 'created'),
    owner: '',
  }
}
