import { BatchBuffer, type BatchRecord } from '#client/batch.ts'
import type { ByteSource } from '#client/hashed-source.ts'
import type { ShoalClient } from '#client/shoal-client.ts'
import type { HandedPiece } from '#client/upload.ts'
import { ShoalError } from '#foundation/errors.ts'
import { decodeName } from '#foundation/name.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { AttributeChanges } from '#volume/volume.ts'
import { attributesOf } from './remote-attributes.ts'
import { octal } from './remote-volume.ts'

/** Of a batch's header; paths are 16 KiB at most, with each byte escaped in the worst case. */
const HEADER_BYTES_MAX = 64 * 1024

/** A change that goes with others in one request. Directories on the way must be there. */
export interface SmallUpload {
  readonly kind: 'file' | 'directory' | 'symlink' | 'removal' | 'attributes'
  readonly path: string
  readonly bytes?: Buffer
  readonly target?: Buffer
  readonly attributes?: AttributeChanges
  /** Of a file: the entity tag of what it replaces; `absent` if nothing may be there. */
  readonly replaces?: string
  /** Of a removal: what it must be. */
  readonly inode?: number
}

/** Contents that the cluster has. */
export interface StoredFile {
  readonly attributes: Attributes
  readonly bytes: Buffer
}

/** What becomes of each: the entry, nothing for what was removed, or why not. */
export type UploadResult = Attributes | ShoalError | undefined

/** Storing what a mount has collected. */
export interface Uploads {
  /** All in one request, each by itself. @throws what the request as a whole throws */
  storeSmall(uploads: readonly SmallUpload[]): Promise<readonly UploadResult[]>
  /** A file of any length, in one step. @throws PRECONDITION_FAILED, NOT_FOUND (of the directory), … */
  storeFile(path: string, source: ByteSource, options: Pick<SmallUpload, 'attributes' | 'replaces'>): Promise<Attributes>
  /** Begins a file that is sent in parts, and of which the mode alone is set. @throws what the cluster says */
  beginFile(path: string, options: Pick<SmallUpload, 'attributes' | 'replaces'>): Promise<PartedFile>
}

/** A file that nobody sees before it is published. */
export interface PartedFile {
  /** Stores a part, durably, counted from 1, in the place of one that had its number. All but the last one have one length. */
  put(number: number, source: ByteSource): Promise<void>
  /** How a node of this machine takes it out of files itself; `undefined` where it doesn't say so. */
  readonly handed?: {
    /** Where it wants them. */
    readonly folder: string
    /** As `put`. @throws NOT_FOUND, INCOMPLETE_BODY, …: it hasn't got them, and the bytes have to be sent */
    take(number: number, pieces: readonly HandedPiece[]): Promise<void>
  }
  /** Makes the parts the contents of the file, in one step. @throws PRECONDITION_FAILED, NOT_FOUND (of the directory), … */
  commit(sizeBytes: number): Promise<Attributes>
  abort(): Promise<void>
}

/** Uploads to a node, over REST. */
export class RemoteUploads implements Uploads {
  readonly #client: ShoalClient
  readonly #volume: string

  constructor(client: ShoalClient, volume: string) {
    this.#client = client
    this.#volume = volume
  }

  async storeSmall(uploads: readonly SmallUpload[]): Promise<readonly UploadResult[]> {
    const bytes = uploads.reduce((sum, upload) => sum + (upload.bytes?.length ?? 0), 0)
    const headers = uploads.map((upload) => recordOf(upload))
    const room = headers.reduce((sum, header) => sum + Math.min(HEADER_BYTES_MAX, roomFor(header)), bytes)
    const buffer = new BatchBuffer(room)
    for (const [index, header] of headers.entries()) {
      const target = buffer.add(header)
      if (target === undefined) throw new ShoalError('INTERNAL', 'A batch is larger than was reckoned')
      uploads[index]?.bytes?.copy(target)
    }
    const results = await this.#client.batches.store(this.#volume, '', buffer)
    return results.map((result) => (result === undefined || result instanceof ShoalError ? result : attributesOf(result)))
  }

  async storeFile(
    path: string,
    source: ByteSource,
    { attributes = {}, replaces }: Pick<SmallUpload, 'attributes' | 'replaces'>,
  ): Promise<Attributes> {
    const { mode, uid, gid, mtimeNs, atimeNs } = attributes
    const stored = await this.#client.writeFile(this.#volume, path, source, {
      parents: false,
      ...(mode === undefined ? {} : { mode: octal(mode) }),
      ...(mtimeNs === undefined ? {} : { mtime: formatTimestamp(mtimeNs) }),
      ...conditionsFor(replaces),
    })
    const isOwned = (uid ?? stored.uid) === stored.uid && (gid ?? stored.gid) === stored.gid
    if (isOwned && atimeNs === undefined) return attributesOf(stored)
    const rest = {
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(atimeNs === undefined ? {} : { atime: formatTimestamp(atimeNs) }),
    }
    return attributesOf(await this.#client.setAttributes(this.#volume, path, rest))
  }

  async beginFile(
    path: string,
    { attributes = {}, replaces }: Pick<SmallUpload, 'attributes' | 'replaces'>,
  ): Promise<PartedFile> {
    const calls = this.#client.uploadTo(this.#volume, path)
    const { mode } = attributes
    const settings = { parents: false, ...(mode === undefined ? {} : { mode: octal(mode) }), ...conditionsFor(replaces) }
    const { id, handed: folder } = await calls.begin(settings)
    const take = async (number: number, pieces: readonly HandedPiece[]): Promise<void> => {
      await calls.takePart(id, { number, pieces })
    }
    return {
      ...(folder === undefined ? {} : { handed: { folder, take } }),
      put: async (number, source) => {
        const { sizeBytes } = source
        await calls.writePart(id, { number, sizeBytes, open: () => source.read(0, sizeBytes), signal: undefined })
      },
      commit: async (sizeBytes) => attributesOf(await calls.commit(id, sizeBytes)),
      abort: () => this.#client.abortUpload(this.#volume, id),
    }
  }
}

/** Bytes of a header at most: of a UTF-16 unit JSON makes six, and all else is numbers, names and times. */
function roomFor({ path, target = '' }: BatchRecord): number {
  return 512 + (path.length + target.length) * 6
}

function conditionsFor(replaces: string | undefined): { ifMatch?: string; ifNoneMatch?: '*' } {
  if (replaces === undefined) return {}
  return replaces === 'absent' ? { ifNoneMatch: '*' } : { ifMatch: replaces }
}

function recordOf({ kind, path, bytes, target, attributes = {}, replaces, inode }: SmallUpload): BatchRecord {
  if (kind === 'removal') return { path, size: 0, type: kind, ...(inode === undefined ? {} : { inode }) }
  const { mode, uid, gid, mtimeNs, atimeNs } = attributes
  return {
    path,
    size: bytes?.length ?? 0,
    ...(kind === 'file' ? conditionsFor(replaces) : { type: kind }),
    ...(target === undefined ? {} : { target: decodeName(target) }),
    ...(mode === undefined || kind === 'symlink' ? {} : { mode: octal(mode) }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(mtimeNs === undefined ? {} : { mtime: formatTimestamp(mtimeNs) }),
    ...(atimeNs === undefined ? {} : { atime: formatTimestamp(atimeNs) }),
    parents: false,
    entry: true,
  }
}
