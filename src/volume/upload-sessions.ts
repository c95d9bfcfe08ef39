import { createHash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import { parseUploadId, type UploadId } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import { checkConditions } from '#metadata/files.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import type { Extent } from '#metadata/record.ts'
import { once } from '#metadata/remembered.ts'
import { resolvePath } from '#metadata/resolve.ts'
import { NOTHING_RESULT, plainResult, WRITE_RESULT } from '#metadata/result-codecs.ts'
import type { VolumeTransaction } from '#metadata/transaction.ts'
import {
  abortUpload,
  beginUpload,
  findUpload,
  listParts,
  listUploads,
  MAX_PART_BYTES,
  MAX_PARTS,
  type PartInfo,
  extentsOfPart,
  requireUpload,
  type UploadSession,
} from '#metadata/uploads.ts'
import { checkAttributes } from './check-attributes.ts'
import { type FileWrites, PART_RESULT, type WriteStores } from './file-writes.ts'
import { recallEarly } from './recall-early.ts'
import type { BodyStream, Caller, ExpectedContent, UploadInfo, UploadPart, Volume, WriteOptions, WriteResult } from './volume.ts'

const LIST_LIMIT_MAX = 1_000
const UPLOAD_RESULT = plainResult<UploadInfo>()

/** Uploads in parts, which survive restarts and lost connections. */
export class UploadSessions {
  readonly #stores: WriteStores
  readonly #metadata: Metadata
  readonly #volume: VolumeHandle
  readonly #writes: FileWrites

  constructor(stores: WriteStores, volume: VolumeHandle, writes: FileWrites) {
    this.#stores = stores
    this.#metadata = stores.metadata
    this.#volume = volume
    this.#writes = writes
  }

  async begin(
    path: Path,
    options: Pick<WriteOptions, 'caller' | 'conditions' | 'attributes' | 'createParents'>,
  ): Promise<UploadInfo> {
    if (path.length === 0) throw new ShoalError('IS_A_DIRECTORY', "The root directory can't be uploaded: name a file")
    if (options.attributes !== undefined) checkAttributes(options.attributes)
    const id = this.#stores.random.bytes(16).toString('hex') as UploadId
    const { caller, conditions, attributes, createParents } = options
    const begun = (t: VolumeTransaction): UploadInfo => {
      // The conditions count when the upload is committed; a failure that is sure already saves the bytes.
      if (conditions !== undefined)
        checkConditions(
          conditions,
          resolveQuietly(() => resolvePath(t, path, { follow: true, prefer: 'file' })?.record),
        )
      const started: UploadSession = {
        path,
        principal: caller.principal,
        startedNs: t.nowNs,
        expiresNs: t.nowNs + BigInt(this.#stores.uploadExpiryMs) * 1_000_000n,
        createParents: createParents === true,
        hidden: false,
        ...(conditions === undefined ? {} : { conditions }),
        ...(attributes === undefined ? {} : { attributes }),
      }
      beginUpload(t, id, started)
      return describe(id, started, [])
    }
    return this.#metadata.transact(this.#volume, caller.principal, (t) =>
      once(t.tx, caller.request, UPLOAD_RESULT, () => begun(t)),
    )
  }

  find(id: UploadId): Promise<UploadInfo | undefined> {
    return this.#metadata.read(this.#volume, (view) => {
      const session = findUpload(view, id)
      return session === undefined ? undefined : describe(id, session, listParts(view, id))
    })
  }

  async list({
    cursor,
    limit = LIST_LIMIT_MAX,
  }: {
    cursor?: string
    limit?: number
  }): Promise<{ uploads: readonly UploadInfo[]; next: string | undefined }> {
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIST_LIMIT_MAX)
      throw new ShoalError('INVALID_ARGUMENT', `"limit" can't be ${limit}: 1 to ${LIST_LIMIT_MAX} is allowed`)
    const after = cursor === undefined ? undefined : parseCursor(cursor)
    return this.#metadata.read(this.#volume, (view) => {
      const uploads: UploadInfo[] = []
      for (const { id, session } of listUploads(view, after)) {
        if (session.hidden) continue
        if (uploads.length === limit) return { uploads, next: uploads.at(-1)?.id }
        uploads.push(describe(id, session, listParts(view, id)))
      }
      return { uploads, next: undefined }
    })
  }

  async writePart(id: UploadId, part: Parameters<Volume['writePart']>[1]): Promise<UploadPart> {
    const { number, body, expected, signal, caller } = part
    if (!Number.isSafeInteger(number) || number < 1 || number > MAX_PARTS)
      throw new ShoalError('INVALID_ARGUMENT', `The part number ${number} is not between 1 and ${MAX_PARTS}`)
    if ((expected?.sizeBytes ?? 0) > MAX_PART_BYTES) throw partTooLarge()
    const before = caller?.request && (await recallEarly(this.#metadata, caller, PART_RESULT))
    if (before !== undefined) return { number, ...before.result }
    const { principal } = await this.#metadata.read(this.#volume, (view) => requireUpload(view, id))
    const options = { ...(expected === undefined ? {} : { expected }), ...(signal === undefined ? {} : { signal }) }
    const written = await this.#writes.writePart(id, {
      number,
      body: bounded(body),
      caller: { ...caller, principal },
      ...options,
    })
    return { number, ...written }
  }

  /** Publishes the parts as the file. A digest of the whole that is announced is compared with the bytes as stored. */
  async commit(
    id: UploadId,
    options: { caller: Caller; expected?: Pick<ExpectedContent, 'sizeBytes' | 'sha256'> },
  ): Promise<WriteResult> {
    const { caller, expected = {} } = options
    const before = caller.request && (await recallEarly(this.#metadata, caller, WRITE_RESULT))
    if (before !== undefined) return before.result
    const { path, parts } = await this.#metadata.read(this.#volume, (view) => ({
      path: requireUpload(view, id).path,
      parts: listParts(view, id),
    }))
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
    if (expected.sizeBytes !== undefined && expected.sizeBytes !== sizeBytes) {
      throw new ShoalError(
        'UPLOAD_INCOMPLETE',
        `Upload "${id}" has ${sizeBytes} bytes in ${parts.length} parts, announced were ${expected.sizeBytes}: send what is missing and commit again`,
        {
          details: { upload: id, sizeBytes, expectedBytes: expected.sizeBytes },
        },
      )
    }
    const only = parts.length === 1 ? parts[0]?.sha256 : undefined
    const sha256 = only ?? (expected.sha256 === undefined ? undefined : await this.#digest(id, parts))
    if (expected.sha256 !== undefined && sha256 !== undefined && !expected.sha256.equals(sha256)) {
      throw new ShoalError(
        'DIGEST_MISMATCH',
        `The parts of upload "${id}" have the SHA-256 ${sha256.toString('hex')}, announced was ${expected.sha256.toString('hex')}`,
      )
    }
    return this.#writes.commitSession(id, { caller, sha256, parts, path })
  }

  async #digest(id: UploadId, parts: readonly PartInfo[]): Promise<Buffer> {
    const digest = createHash('sha256')
    for (const part of parts) {
      const extents: Extent[] = await this.#metadata.read(this.#volume, (view) => extentsOfPart(view, id, part.number))
      for (const { chunk, chunkOffset, length } of extents)
        digest.update(await this.#stores.chunks.read(chunk, { offset: chunkOffset, length }))
    }
    return digest.digest()
  }

  async abort(id: UploadId, caller?: Caller): Promise<void> {
    const request = caller?.request
    if (request !== undefined && (await recallEarly(this.#metadata, caller as Caller, NOTHING_RESULT)) !== undefined) return
    const { principal } = await this.#metadata.read(this.#volume, (view) => requireUpload(view, id))
    const abort = (t: VolumeTransaction): void => once(t.tx, request, NOTHING_RESULT, () => abortUpload(t, id))
    await this.#metadata.transact(this.#volume, principal, abort, { frees: true })
  }
}

function describe(id: UploadId, { path, startedNs, expiresNs }: UploadSession, parts: readonly PartInfo[]): UploadInfo {
  return {
    id,
    path,
    startedNs,
    expiresNs,
    parts: parts.map(({ number, sizeBytes, sha256 }) => ({ number, sizeBytes, sha256: sha256 ?? Buffer.alloc(0) })),
  }
}

/** What stands in the way of the path is the commit's to complain about. */
function resolveQuietly<T>(resolve: () => T): T | undefined {
  try {
    return resolve()
  } catch (error) {
    if (error instanceof ShoalError) return undefined
    throw error
  }
}

function bounded(body: BodyStream): BodyStream {
  // It is as long as was announced, which was looked at.
  if (body.fill !== undefined) return body
  const pieces: BodyStream = checkLength(body)
  pieces.release = (piece) => body.release?.(piece)
  return pieces
}

async function* checkLength(body: BodyStream): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0
  for await (const piece of body) {
    sizeBytes += piece.length
    if (sizeBytes > MAX_PART_BYTES) throw partTooLarge()
    yield piece
  }
}

function partTooLarge(): ShoalError {
  return new ShoalError('TOO_LARGE', `A part has ${MAX_PART_BYTES} bytes (5 GiB) at most`)
}

/** The cursor of a listing is the id of its last upload. */
function parseCursor(cursor: string): UploadId {
  try {
    return parseUploadId(cursor)
  } catch (cause) {
    throw new ShoalError('INVALID_ARGUMENT', `"${cursor.slice(0, 80)}" is not a cursor of this listing`, { cause })
  }
}
