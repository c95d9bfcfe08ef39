import { createHash } from 'node:crypto'
import type { Upload, UploadPart as StoredPart } from '#eventual/uploads.ts'
import { ShoalError } from '#foundation/errors.ts'
import { parseUploadId, type UploadId } from '#foundation/ids.ts'
import { keyOfPath, pathOfKey } from '#foundation/object-key.ts'
import type { Path } from '#foundation/path.ts'
import type { Transaction } from '#kv/store.ts'
import type { AttributeChanges } from '#metadata/files.ts'
import { MAX_PART_BYTES, MAX_PARTS } from '#metadata/uploads.ts'
import { checkAttributes } from './check-attributes.ts'
import type { EventualUploadParts } from './eventual-object-uploads.ts'
import type { StoredBytes } from './eventual-contents.ts'
import { bounded } from './object-writes.ts'
import type * as port from './volume.ts'

type Methods = Pick<port.Volume, 'beginUpload' | 'findUpload' | 'listUploads' | 'writePart' | 'commitUpload' | 'abortUpload'>

/** What is kept of an upload, beside its place. */
interface Details {
  readonly conditions?: port.Conditions
  readonly attributes?: Omit<AttributeChanges, 'atimeNs' | 'mtimeNs'> & { readonly mtimeNs?: string }
  readonly createParents: boolean
}

interface PartDetails {
  readonly sha256: string
}

export interface PublishOptions extends Pick<port.WriteOptions, 'caller' | 'conditions' | 'attributes' | 'createParents'> {
  /** To be run in the step that makes the file. */
  readonly along: (transaction: Transaction) => void
}

export type StoredParts = Omit<StoredBytes, 'md5'> & Pick<StoredPart, 'extents'>

const LIST_LIMIT_MAX = 1_000

/** Uploads in parts, which survive restarts and lost connections. They are this node's alone: parts are sent to the node that began it. */
export abstract class EventualUploads implements Methods {
  readonly #parts: EventualUploadParts
  readonly #volume: string

  constructor(parts: EventualUploadParts, volume: string) {
    this.#parts = parts
    this.#volume = volume
  }

  /** Makes the parts a file. */
  protected abstract publishParts(path: Path, stored: StoredParts, options: PublishOptions): Promise<port.WriteResult>

  async beginUpload(path: Path, options: Parameters<Methods['beginUpload']>[1]): Promise<port.UploadInfo> {
    if (path.length === 0) throw new ShoalError('IS_A_DIRECTORY', "The root directory can't be uploaded: name a file")
    const { conditions, attributes, createParents = false } = options
    if (attributes !== undefined) checkAttributes(attributes)
    const { table, clock, random, uploadExpiryMs } = this.#parts
    const startedNs = clock.nowNs()
    const details: Details = {
      createParents,
      ...(conditions === undefined ? {} : { conditions }),
      ...(attributes === undefined ? {} : { attributes: written(attributes) }),
    }
    const upload: Upload = {
      id: random.bytes(16).toString('hex') as UploadId,
      volume: this.#volume,
      path: keyOfPath(path),
      startedNs,
      expiresNs: startedNs + BigInt(uploadExpiryMs) * 1_000_000n,
      details: JSON.stringify({ file: details }),
    }
    await table.begin(upload)
    return describe(upload, [])
  }

  async findUpload(id: UploadId): Promise<port.UploadInfo | undefined> {
    const upload = await this.#find(id)
    return upload === undefined ? undefined : describe(upload, await this.#parts.table.parts(upload))
  }

  async listUploads({ cursor, limit = LIST_LIMIT_MAX }: { cursor?: string; limit?: number } = {}): Promise<{
    readonly uploads: readonly port.UploadInfo[]
    readonly next: string | undefined
  }> {
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIST_LIMIT_MAX)
      throw new ShoalError('INVALID_ARGUMENT', `"limit" can't be ${limit}: 1 to ${LIST_LIMIT_MAX} is allowed`)
    const { table } = this.#parts
    const after = cursor === undefined ? undefined : parseUploadId(cursor)
    const found = await table.list(this.#volume, { after, limit: limit + 1 })
    const page = found.slice(0, limit)
    const own = page.filter((upload) => detailsOf(upload) !== undefined)
    const uploads = await Promise.all(own.map(async (upload) => describe(upload, await table.parts(upload))))
    return { uploads, next: found.length > limit ? page.at(-1)?.id : undefined }
  }

  async writePart(
    id: UploadId,
    { number, body, expected, signal }: Parameters<Methods['writePart']>[1],
  ): Promise<port.UploadPart> {
    if (!Number.isSafeInteger(number) || number < 1 || number > MAX_PARTS)
      throw new ShoalError('INVALID_ARGUMENT', `The part number ${number} is not between 1 and ${MAX_PARTS}`)
    if ((expected?.sizeBytes ?? 0) > MAX_PART_BYTES)
      throw new ShoalError('TOO_LARGE', `A part has ${MAX_PART_BYTES} bytes (5 GiB) at most`)
    const upload = await this.#require(id)
    const options = { digest: true, ...(expected === undefined ? {} : { expected }), ...(signal === undefined ? {} : { signal }) }
    return this.#parts.contents.storePart(bounded(body), options, async ({ sizeBytes, sha256, extents }) => {
      if (sha256 === undefined) throw new ShoalError('INTERNAL', 'A part was written without its digest')
      const details: PartDetails = { sha256: sha256.toString('hex') }
      await this.#parts.table.putPart(upload, { number, sizeBytes, extents, details: JSON.stringify(details) })
      return { number, sizeBytes, sha256 }
    })
  }

  async commitUpload(id: UploadId, options: Parameters<Methods['commitUpload']>[1]): Promise<port.WriteResult> {
    const { caller, expected = {} } = options
    const { table } = this.#parts
    const upload = await this.#require(id)
    const parts = await table.parts(upload)
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
    if (expected.sizeBytes !== undefined && expected.sizeBytes !== sizeBytes)
      throw new ShoalError(
        'UPLOAD_INCOMPLETE',
        `Upload "${id}" has ${sizeBytes} bytes in ${parts.length} parts, announced were ${expected.sizeBytes}: send what is missing and commit again`,
        { details: { upload: id, sizeBytes, expectedBytes: expected.sizeBytes } },
      )
    const only = parts.length === 1 && parts[0] !== undefined ? digestOf(parts[0]) : undefined
    const extents = parts.flatMap((part) => part.extents)
    const sha256 = only ?? (expected.sha256 === undefined ? undefined : await this.#digest(extents))
    if (expected.sha256 !== undefined && sha256 !== undefined && !expected.sha256.equals(sha256))
      throw new ShoalError(
        'DIGEST_MISMATCH',
        `The parts of upload "${id}" have the SHA-256 ${sha256.toString('hex')}, announced was ${expected.sha256.toString('hex')}`,
      )
    const { conditions, attributes, createParents = false } = detailsOf(upload) ?? {}
    const written = await this.publishParts(
      pathOfKey(upload.path),
      { sizeBytes, sha256, extents },
      {
        caller,
        createParents,
        ...(conditions === undefined ? {} : { conditions }),
        ...(attributes === undefined ? {} : { attributes: read(attributes) }),
        along: (transaction) => table.end(transaction, upload),
      },
    )
    await table.clear(id)
    return written
  }

  async abortUpload(id: UploadId): Promise<void> {
    await this.#parts.table.abort(await this.#require(id))
  }

  async #digest(extents: StoredPart['extents']): Promise<Buffer> {
    const digest = createHash('sha256')
    for (const { chunk } of extents) digest.update(await this.#parts.contents.readChunk(chunk))
    return digest.digest()
  }

  async #find(id: UploadId): Promise<Upload | undefined> {
    const upload = await this.#parts.table.find(this.#volume, id)
    return upload === undefined || detailsOf(upload) === undefined ? undefined : upload
  }

  async #require(id: UploadId): Promise<Upload> {
    const upload = await this.#find(id)
    if (upload !== undefined) return upload
    throw new ShoalError(
      'UPLOAD_NOT_FOUND',
      `There is no upload "${id}" on this node: it was committed, aborted, has expired, or was begun on another one`,
    )
  }
}

/** `undefined` for one that came by S3. */
function detailsOf({ details }: Upload): Details | undefined {
  return (JSON.parse(details) as { file?: Details }).file
}

function describe({ id, path, startedNs, expiresNs }: Upload, parts: readonly StoredPart[]): port.UploadInfo {
  const described = parts.map((part) => ({ number: part.number, sizeBytes: part.sizeBytes, sha256: digestOf(part) }))
  return { id, path: pathOfKey(path), startedNs, expiresNs, parts: described }
}

function digestOf({ details }: StoredPart): Buffer {
  return Buffer.from((JSON.parse(details) as PartDetails).sha256, 'hex')
}

/** Times of access aren't kept. */
function written({ atimeNs: _, mtimeNs, ...rest }: AttributeChanges): NonNullable<Details['attributes']> {
  return { ...rest, ...(mtimeNs === undefined ? {} : { mtimeNs: String(mtimeNs) }) }
}

function read({ mtimeNs, ...rest }: NonNullable<Details['attributes']>): AttributeChanges {
  return { ...rest, ...(mtimeNs === undefined ? {} : { mtimeNs: BigInt(mtimeNs) }) }
}
