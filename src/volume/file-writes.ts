// Writing whole files: as a stream, or in parts.

import { ShoalError } from '#foundation/errors.ts'
import type { UploadId } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import type { TransactOptions } from '#kv/store.ts'
import type { NewContents } from '#metadata/contents.ts'
import { type FileWrite, type FileWritten, putFile } from '#metadata/files.ts'
import { checkGuard } from '#metadata/lock-guard.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import type { VolumePolicy } from '#metadata/policy.ts'
import { type Extent, type InodeRecord, MAX_INLINE_BYTES } from '#metadata/record.ts'
import { discardUnused } from '#metadata/references.ts'
import { once } from '#metadata/remembered.ts'
import { lastStep, plainResult, WRITE_RESULT } from '#metadata/result-codecs.ts'
import type { VolumeTransaction } from '#metadata/transaction.ts'
import { abortUpload, beginUpload, commitUploadStep, type PartInfo, putPart } from '#metadata/uploads.ts'
import type { Random } from '#platform/random.ts'
import { checkAttributes } from './check-attributes.ts'
import { checkBytes } from './expected-content.ts'
import { type ContentStores, ContentWriter, type WriterOptions, type Written } from './content-writer.ts'
import { uploadPin } from './pins.ts'
import { recallEarly } from './recall-early.ts'
import type { Rewrites } from './rewrites.ts'
import type { BodyStream, Caller, WriteOptions, WriteResult } from './volume.ts'

export interface WriteStores extends ContentStores {
  readonly metadata: Metadata
  readonly random: Random
  readonly rewrites: Rewrites
  readonly uploadExpiryMs: number
}

const STEP_RESULT = lastStep(WRITE_RESULT)
/** Of a part of an upload. */
export const PART_RESULT = plainResult<{ readonly sizeBytes: number; readonly sha256: Buffer }>()

export class FileWrites {
  readonly #stores: WriteStores
  readonly #volume: VolumeHandle
  readonly #policy: VolumePolicy

  constructor(stores: WriteStores, volume: VolumeHandle, policy: VolumePolicy) {
    this.#stores = stores
    this.#volume = volume
    this.#policy = policy
  }

  async writeFile(path: Path, body: BodyStream | Buffer, options: WriteOptions): Promise<WriteResult> {
    if (options.attributes !== undefined) checkAttributes(options.attributes)
    const { caller } = options
    const before = caller.request && (await recallEarly(this.#stores.metadata, caller, WRITE_RESULT))
    if (before !== undefined) return before.result
    if (!Buffer.isBuffer(body)) return this.#writeStream(path, body, options)
    if (body.length > MAX_INLINE_BYTES) return this.#writeStream(path, onePiece(body), options)
    const sha256 = checkBytes(options.expected ?? {}, body)
    return this.#publish(path, { contents: { kind: 'inline', bytes: body }, sha256 }, options)
  }

  async #writeStream(path: Path, body: BodyStream, options: WriteOptions): Promise<WriteResult> {
    let session: UploadId | undefined
    let parts = 0
    const writer = this.#writer(options, {
      allowInline: true,
      onExtents: async (extents, startsAt) => {
        session ??= await this.#openSession(path, options)
        parts += 1
        await this.#addExtents(session, { number: parts, extents, startsAt }, options.caller)
      },
    })
    try {
      const written = await writer.write(body)
      if (session === undefined)
        return await this.#publish(path, { contents: contentsOf(written), sha256: written.sha256 }, options)
      if (written.extents.length > 0)
        await this.#addExtents(
          session,
          { number: parts + 1, extents: written.extents, startsAt: written.handedOverBytes },
          options.caller,
        )
      const { caller, guard } = options
      const guarded = guard === undefined ? {} : { beforeStep: (t: VolumeTransaction) => checkWrite(t, path, options) }
      return await this.commitSession(session, { sha256: written.sha256, caller, ...guarded })
    } catch (error) {
      await this.#discard(writer, session, options.caller)
      throw error
    } finally {
      writer.release()
      if (session !== undefined) this.#stores.pins.unpin(uploadPin(session))
    }
  }

  #writer(
    options: Pick<WriteOptions, 'expected' | 'digest' | 'signal'>,
    form: Pick<WriterOptions, 'allowInline' | 'onExtents'>,
  ): ContentWriter {
    return new ContentWriter(this.#stores, {
      ...form,
      chunkSizeBytes: this.#policy.chunkSizeBytes,
      expected: options.expected ?? {},
      digest: options.digest === true,
      signal: options.signal,
    })
  }

  #publish(path: Path, whole: Pick<FileWrite, 'contents' | 'sha256'>, options: WriteOptions): Promise<WriteResult> {
    const { conditions, attributes, createParents = false } = options
    const write: FileWrite = { ...whole, createParents, conditions, attributes }
    return this.#transact(options.caller, (t) => {
      return once(t.tx, options.caller.request, WRITE_RESULT, () => {
        checkWrite(t, path, options)
        return toResult(putFile(t, path, write))
      })
    })
  }

  async #openSession(path: Path, options: WriteOptions): Promise<UploadId> {
    const id = this.#stores.random.bytes(16).toString('hex') as UploadId
    const { caller, conditions, attributes, createParents } = options
    await this.#transact(caller, (t) =>
      beginUpload(t, id, {
        path,
        principal: caller.principal,
        startedNs: t.nowNs,
        expiresNs: t.nowNs + BigInt(this.#stores.uploadExpiryMs) * 1_000_000n,
        createParents: createParents === true,
        hidden: true,
        ...(conditions === undefined ? {} : { conditions }),
        ...(attributes === undefined ? {} : { attributes }),
      }),
    )
    this.#stores.pins.pin(uploadPin(id))
    return id
  }

  async #addExtents(
    id: UploadId,
    part: { number: number; extents: readonly Extent[]; startsAt: number },
    caller: Caller,
  ): Promise<void> {
    const extents = part.extents.map((extent) => ({ ...extent, offset: extent.offset - part.startsAt }))
    const sizeBytes = extents.reduce((sum, extent) => sum + extent.length, 0)
    await this.#transact(caller, (t) => putPart(t, id, { number: part.number, sizeBytes, sha256: undefined, extents }))
  }

  /** Publishes an upload session's parts, in as many steps as they need. */
  async commitSession(
    id: UploadId,
    {
      caller,
      beforeStep,
      path,
      ...options
    }: {
      caller: Caller
      /** To be told with the result. */
      path?: Path
      sha256: Buffer | undefined
      parts?: readonly PartInfo[]
      beforeStep?: (t: VolumeTransaction) => void
    },
  ): Promise<WriteResult> {
    const { pins } = this.#stores
    pins.pin(uploadPin(id))
    try {
      for (;;) {
        const step = await this.#transact(caller, (t) =>
          once(t.tx, caller.request, STEP_RESULT, () => {
            beforeStep?.(t)
            const written = commitUploadStep(t, id, options)
            return written === 'more' ? written : { ...toResult(written), ...(path === undefined ? {} : { path }) }
          }),
        )
        if (step !== 'more') return step
      }
    } finally {
      pins.unpin(uploadPin(id))
    }
  }

  /** Stores a stream as one part of an upload session. */
  async writePart(
    id: UploadId,
    part: { number: number; body: BodyStream; caller: Caller } & Pick<WriteOptions, 'expected' | 'signal'>,
  ): Promise<{ sizeBytes: number; sha256: Buffer }> {
    const writer = this.#writer({ ...part, digest: true }, { allowInline: false })
    try {
      const { sizeBytes, sha256, extents } = await writer.write(part.body)
      if (sha256 === undefined) throw new ShoalError('INTERNAL', 'A part was written without its digest')
      return await this.#transact(part.caller, (t) =>
        once(t.tx, part.caller.request, PART_RESULT, () => {
          putPart(t, id, { number: part.number, sizeBytes, sha256, extents })
          return { sizeBytes, sha256 }
        }),
      )
    } catch (error) {
      await this.#discard(writer, undefined, part.caller)
      throw error
    } finally {
      writer.release()
    }
  }

  /** What a failed write has stored is of no use to anybody: its chunks go onto the garbage list, if nobody has them. */
  async #discard(writer: ContentWriter, session: UploadId | undefined, caller: Caller): Promise<void> {
    const chunks = [...writer.chunks]
    if (chunks.length === 0 && session === undefined) return
    try {
      await this.#transact(
        caller,
        (t) => {
          discardUnused(t.tx, chunks, t.nowMs)
          if (session !== undefined) abortUpload(t, session)
        },
        { frees: true },
      )
    } catch {
      // The store itself may have failed; what is left is found by the collector's sweep.
    }
  }

  /** Stores `bytes` as chunks, which stay pinned while `use` makes them part of a file. */
  async withChunks<T>(bytes: Uint8Array, caller: Caller, use: (extents: readonly Extent[]) => Promise<T>): Promise<T> {
    const writer = this.#writer({}, { allowInline: false })
    try {
      return await use((await writer.write(onePiece(bytes))).extents)
    } catch (error) {
      await this.#discard(writer, undefined, caller)
      throw error
    } finally {
      writer.release()
    }
  }

  #transact<T>(caller: Caller, fn: (t: VolumeTransaction) => T, options?: TransactOptions): Promise<T> {
    return this.#stores.metadata.transact(this.#volume, caller.principal, fn, options)
  }
}

function checkWrite(t: VolumeTransaction, path: Path, { guard, caller }: Pick<WriteOptions, 'guard' | 'caller'>): void {
  if (guard !== undefined) checkGuard(t, { guard, principal: caller.principal, nowMs: t.nowMs }, [{ kind: 'write', path }])
}

function contentsOf({ inline, extents, sizeBytes }: Written): NewContents {
  return inline === undefined ? { kind: 'extents', extents, sizeBytes } : { kind: 'inline', bytes: inline }
}

export function toResult({ located, created }: FileWritten): { readonly attributes: InodeRecord; readonly created: boolean } {
  return { attributes: located.record, created }
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
