// Multipart uploads of S3 over upload sessions: parts with MD5s and checksums, published as one object by reference.

import { createHash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { UploadId } from '#foundation/ids.ts'
import { keyOfPath, pathOfKey } from '#foundation/object-key.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { encodeObjectPart, encryptionOf, NO_OBJECT_PART, type ObjectProperties, withProperties } from '#metadata/object-part.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import type { Extent, InodeRecord } from '#metadata/record.ts'
import { once } from '#metadata/remembered.ts'
import { lastStep, plainResult, RECORD_RESULT } from '#metadata/result-codecs.ts'
import type { VolumeTransaction } from '#metadata/transaction.ts'
import {
  abortUpload,
  beginUpload,
  commitUploadStep,
  findUpload,
  listParts,
  listUploads,
  type PartInfo,
  putPart,
  type UploadSession,
} from '#metadata/uploads.ts'
import type { WriteStores } from './file-writes.ts'
import type { StrongOpenObject } from './object-info.ts'
import { extentsOfRange, type ObjectWrites } from './object-writes.ts'
import type * as port from './objects.ts'
import { uploadPin } from './pins.ts'
import { recallEarly } from './recall-early.ts'
import type { BodyStream, Caller } from './volume.ts'

const UPLOAD_RESULT = plainResult<port.ObjectUpload>()
const PART_RESULT = plainResult<port.ObjectPartInfo>()
const STEP_RESULT = lastStep(RECORD_RESULT)

export class ObjectUploads {
  readonly #stores: WriteStores
  readonly #metadata: Metadata
  readonly #volume: VolumeHandle
  readonly #chunkSizeBytes: number
  readonly #writes: ObjectWrites

  constructor(stores: WriteStores, info: VolumeInfo, writes: ObjectWrites) {
    this.#stores = stores
    this.#metadata = stores.metadata
    this.#volume = info
    this.#chunkSizeBytes = info.policy.chunkSizeBytes
    this.#writes = writes
  }

  async begin(key: string, start: port.UploadStart): Promise<port.ObjectUpload> {
    const id = this.#stores.random.bytes(16).toString('hex') as UploadId
    const { caller, properties, checksum } = start
    const object = { properties: JSON.stringify(properties), ...(checksum === undefined ? {} : { checksum }) }
    const begun = (t: VolumeTransaction): port.ObjectUpload => {
      const started: UploadSession = {
        path: pathOfKey(key),
        principal: caller.principal,
        startedNs: t.nowNs,
        expiresNs: t.nowNs + BigInt(this.#stores.uploadExpiryMs) * 1_000_000n,
        createParents: true,
        hidden: false,
        object,
      }
      beginUpload(t, id, started)
      return describe(id, started)
    }
    return this.#metadata.transact(this.#volume, caller.principal, (t) =>
      once(t.tx, caller.request, UPLOAD_RESULT, () => begun(t)),
    )
  }

  async find(key: string, id: string): Promise<port.ObjectUpload | undefined> {
    if (!/^[0-9a-f]{32}$/.test(id)) return undefined
    const session = await this.#metadata.read(this.#volume, (view) => findUpload(view, id as UploadId))
    if (session?.object === undefined || keyOfPath(session.path) !== key) return undefined
    return describe(id as UploadId, session)
  }

  async list(prefix: string): Promise<readonly port.ObjectUpload[]> {
    const found = await this.#metadata.read(this.#volume, (view) => {
      const uploads: port.ObjectUpload[] = []
      for (const { id, session } of listUploads(view)) if (session.object !== undefined) uploads.push(describe(id, session))
      return uploads
    })
    const matching = found.filter(({ key }) => key.startsWith(prefix))
    const byKey = matching.map((upload) => ({ upload, key: Buffer.from(upload.key) }))
    return byKey.toSorted(byKeyThenStart).map(({ upload }) => upload)
  }

  async putPart(upload: port.ObjectUpload, body: BodyStream, options: port.PutPartOptions): Promise<port.ObjectPartInfo> {
    const { caller, expected, signal, key } = options
    const before = caller.request && (await recallEarly(this.#metadata, caller, PART_RESULT))
    if (before !== undefined) return before.result
    const store = { caller, expected, signal, allowInline: false, chunkSizeBytes: this.#chunkSizeBytes, key }
    return this.#writes.store(body, store, ({ contents, sizeBytes, sha256, md5 }) => {
      const extents = contents.kind === 'extents' ? contents.extents : []
      return this.#addPart(upload, options, { sizeBytes, sha256, md5, extents })
    })
  }

  async #addPart(
    upload: port.ObjectUpload,
    { caller, number, checksum: announced }: port.PutPartOptions,
    stored: { sizeBytes: number; sha256: Buffer | undefined; md5: Buffer; extents: readonly Extent[] },
  ): Promise<port.ObjectPartInfo> {
    const { sizeBytes, sha256, md5, extents } = stored
    const checksum = announced()
    const add = (t: VolumeTransaction): port.ObjectPartInfo => {
      const object = {
        md5,
        modifiedNs: t.nowNs,
        ...(checksum === undefined
          ? {}
          : { checksum: { algorithm: checksum.algorithm, value: Buffer.from(checksum.value, 'base64') } }),
      }
      putPart(t, upload.id, { number, sizeBytes, sha256, extents, object })
      return describePart({ number, sizeBytes, sha256, extents: extents.length, object })
    }
    return this.#metadata.transact(this.#volume, caller.principal, (t) => once(t.tx, caller.request, PART_RESULT, () => add(t)))
  }

  async copyPart(
    upload: port.ObjectUpload,
    source: StrongOpenObject,
    options: port.CopyPartOptions,
  ): Promise<port.ObjectPartInfo> {
    const { offset, length, signal } = options
    const { object, file, prefix } = source
    const extents =
      file.bytes === undefined
        ? await this.#metadata.readSystem((snapshot) => extentsOfRange({ snapshot, prefix }, object.record, { offset, length }))
        : []
    const coveredBytes = extents.reduce((sum, extent) => sum + extent.length, 0)
    // Holes and bytes that lie in the metadata have no chunks to refer to.
    const bytes = watched(file.read({ offset, length }, signal), options.onBytes)
    const isPlain = options.key === undefined && encryptionOf(object.record.object) === undefined
    if (coveredBytes !== length || !isPlain) return this.putPart(upload, bytes, options)
    const md5 = createHash('md5')
    for await (const piece of bytes) md5.update(piece)
    return this.#addPart(upload, options, { sizeBytes: length, sha256: undefined, md5: md5.digest(), extents })
  }

  async listParts(upload: port.ObjectUpload): Promise<readonly port.ObjectPartInfo[]> {
    const parts = await this.#metadata.read(this.#volume, (view) => listParts(view, upload.id))
    return parts.map(describePart)
  }

  async complete(
    upload: port.ObjectUpload,
    options: Omit<port.CompleteOptions, 'check'> & { check?: (existing: InodeRecord | undefined) => void },
  ): Promise<InodeRecord> {
    const { caller, checksum, check } = options
    const { id } = upload
    const wanted = new Map(options.parts.map((part) => [part.number, part.etag]))
    const all = await this.#metadata.read(this.#volume, (view) => listParts(view, id))
    const parts = all.filter((part) => wanted.get(part.number) === etagOf(part))
    if (parts.length !== wanted.size)
      throw new ShoalError('UPLOAD_INCOMPLETE', `Parts of upload "${id}" were sent anew while it was being completed`)
    const md5 = createHash('md5')
    for (const part of parts) md5.update(part.object?.md5 ?? Buffer.alloc(16))
    const properties: ObjectProperties = {
      ...upload.properties,
      upload: id,
      partSizes: runsOf(parts),
      ...(checksum === undefined ? {} : { checksum }),
    }
    const part = withProperties({ ...NO_OBJECT_PART, md5: md5.digest(), parts: parts.length }, properties)
    const commit = {
      sha256: undefined,
      parts,
      isSelection: true,
      besideDirectory: true,
      object: encodeObjectPart(part),
      ...(check === undefined ? {} : { check }),
    }
    const { pins } = this.#stores
    pins.pin(uploadPin(id))
    try {
      for (;;) {
        const step = await this.#metadata.transact(this.#volume, caller.principal, (t) =>
          once(t.tx, caller.request, STEP_RESULT, () => {
            const written = commitUploadStep(t, id, commit)
            return written === 'more' ? written : written.located.record
          }),
        )
        if (step !== 'more') return step
      }
    } finally {
      pins.unpin(uploadPin(id))
    }
  }

  async abort(upload: port.ObjectUpload, { principal }: Caller): Promise<void> {
    await this.#metadata.transact(this.#volume, principal, (t) => abortUpload(t, upload.id), { frees: true })
  }
}

/** The same bytes, shown to somebody as they pass. */
export async function* watched(
  bytes: AsyncIterable<Uint8Array>,
  onBytes: ((bytes: Uint8Array) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const piece of bytes) {
    onBytes?.(piece)
    yield piece
  }
}

function byKeyThenStart(a: { upload: port.ObjectUpload; key: Buffer }, b: { upload: port.ObjectUpload; key: Buffer }): number {
  const order = Buffer.compare(a.key, b.key)
  if (order !== 0) return order
  if (a.upload.startedNs !== b.upload.startedNs) return a.upload.startedNs < b.upload.startedNs ? -1 : 1
  return a.upload.id < b.upload.id ? -1 : 1
}

function describe(id: UploadId, session: UploadSession): port.ObjectUpload {
  const { path, startedNs, principal, object } = session
  return {
    id,
    key: keyOfPath(path),
    startedNs,
    owner: principal,
    properties: object === undefined ? {} : (JSON.parse(object.properties) as ObjectProperties),
    checksum: object?.checksum,
  }
}

const etagOf = ({ object }: PartInfo): string => (object === undefined ? '' : object.md5.toString('hex'))

function describePart(part: PartInfo): port.ObjectPartInfo {
  const { number, sizeBytes, object } = part
  const checksum = object?.checksum
  return {
    number,
    sizeBytes,
    etag: etagOf(part),
    modifiedNs: object?.modifiedNs ?? 0n,
    checksum: checksum === undefined ? undefined : { algorithm: checksum.algorithm, value: checksum.value.toString('base64') },
  }
}

/** Sizes of parts, one after another, as runs. */
export function runsOf(parts: readonly Pick<PartInfo, 'sizeBytes'>[]): (readonly [number, number])[] {
  const runs: [number, number][] = []
  for (const { sizeBytes } of parts) {
    const last = runs.at(-1)
    if (last?.[1] === sizeBytes) last[0] += 1
    else runs.push([1, sizeBytes])
  }
  return runs
}
