// Writing files: whole ones as a stream, ranges of them, and by reference from other files.

import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, UploadId } from '#foundation/ids.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { TransactOptions } from '#kv/store.ts'
import {
  type NewContents,
  type RangeWriteResult,
  type Spilled,
  readInline,
  shiftedExtents,
  truncateRange,
  writeRange,
} from '#metadata/contents.ts'
import { type FileWrite, type FileWritten, putFile, reportChange } from '#metadata/files.ts'
import type { Located } from '#metadata/inodes.ts'
import { checkGuard } from '#metadata/lock-guard.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import type { VolumePolicy } from '#metadata/policy.ts'
import { type Extent, type InodeRecord, MAX_INLINE_BYTES } from '#metadata/record.ts'
import { discardUnused } from '#metadata/references.ts'
import { resolveExisting } from '#metadata/resolve.ts'
import type { VolumeTransaction } from '#metadata/transaction.ts'
import { abortUpload, beginUpload, commitUploadStep, type PartInfo, putPart } from '#metadata/uploads.ts'
import type { Random } from '#platform/random.ts'
import { checkAttributes } from './check-attributes.ts'
import { checkBytes } from './expected-content.ts'
import { type ContentStores, ContentWriter, type Written } from './content-writer.ts'
import { uploadPin } from './pins.ts'
import type { BodyStream, Caller, CopyRange, WriteOptions, WriteResult } from './volume.ts'

export interface WriteStores extends ContentStores {
  readonly metadata: Metadata
  readonly random: Random
  readonly uploadExpiryMs: number
}

/** A write of a range is this long at most, and one range copied by reference too. */
export const MAX_RANGE_BYTES = 64 * 1024 * 1024

/** Others may change the file between the look at it and the commit; so often it is tried again. */
const TRIES = 5

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
    if (!Buffer.isBuffer(body)) return this.#writeStream(path, body, options)
    if (body.length > MAX_INLINE_BYTES) return this.#writeStream(path, once(body), options)
    const sha256 = checkBytes(options.expected ?? {}, body)
    return this.#publish(path, { contents: { kind: 'inline', bytes: body }, sha256 }, options)
  }

  async #writeStream(path: Path, body: BodyStream, options: WriteOptions): Promise<WriteResult> {
    let session: UploadId | undefined
    let parts = 0
    const writer = this.#writer(options, async (extents, startsAt) => {
      session ??= await this.#openSession(path, options)
      parts += 1
      await this.#addExtents(session, { number: parts, extents, startsAt }, options.caller)
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
    onExtents?: (extents: readonly Extent[], startsAt: number) => Promise<void>,
  ): ContentWriter {
    return new ContentWriter(this.#stores, {
      chunkSizeBytes: this.#policy.chunkSizeBytes,
      allowInline: onExtents !== undefined,
      expected: options.expected ?? {},
      digest: options.digest === true,
      signal: options.signal,
      ...(onExtents === undefined ? {} : { onExtents }),
    })
  }

  async #publish(path: Path, whole: Pick<FileWrite, 'contents' | 'sha256'>, options: WriteOptions): Promise<WriteResult> {
    const { conditions, attributes, createParents } = options
    const write: FileWrite = {
      ...whole,
      createParents: createParents === true,
      ...(conditions === undefined ? {} : { conditions }),
      ...(attributes === undefined ? {} : { attributes }),
    }
    return toResult(
      await this.#transact(options.caller, (t) => {
        checkWrite(t, path, options)
        return putFile(t, path, write)
      }),
    )
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
      ...options
    }: {
      caller: Caller
      sha256: Buffer | undefined
      parts?: readonly PartInfo[]
      beforeStep?: (t: VolumeTransaction) => void
    },
  ): Promise<WriteResult> {
    const { pins } = this.#stores
    pins.pin(uploadPin(id))
    try {
      for (;;) {
        const step = await this.#transact(caller, (t) => {
          beforeStep?.(t)
          return commitUploadStep(t, id, options)
        })
        if (step !== 'more') return toResult(step)
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
    const writer = this.#writer({ ...part, digest: true })
    try {
      const { sizeBytes, sha256, extents } = await writer.write(part.body)
      if (sha256 === undefined) throw new ShoalError('INTERNAL', 'A part was written without its digest')
      await this.#transact(part.caller, (t) => putPart(t, id, { number: part.number, sizeBytes, sha256, extents }))
      return { sizeBytes, sha256 }
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

  async writeAt(path: Path, write: { offset: number; bytes: Uint8Array }, caller: Caller): Promise<Located> {
    const { offset, bytes } = write
    if (!Number.isSafeInteger(offset) || offset < 0)
      throw new ShoalError('INVALID_ARGUMENT', `The offset ${offset} is not a whole number from 0 on`)
    if (bytes.length > MAX_RANGE_BYTES) throw new ShoalError('TOO_LARGE', `One write has ${MAX_RANGE_BYTES} bytes at most`)
    const done = await this.#change(path, caller, { bytes, offset })
    if (done === undefined) throw conflict(path)
    return done
  }

  /** `undefined`: others came between again and again, or `isStill` no longer holds. */
  async #change(
    path: Path,
    caller: Caller,
    write: { bytes: Uint8Array; offset: number; isStill?: (t: VolumeTransaction) => boolean },
  ): Promise<Located | undefined> {
    const { bytes, offset, isStill = () => true } = write
    const { length } = bytes
    if (length === 0) return this.#transact(caller, (t) => this.#file(t, path))
    if (offset + length <= MAX_INLINE_BYTES) {
      const result = await this.#transact(caller, (t) => {
        const located = this.#file(t, path)
        return isStill(t) ? report(t, writeRange(t, located, { kind: 'inline', offset, bytes })) : undefined
      })
      if (result === undefined) return undefined
      if ('done' in result) return result.done
    }
    return this.#withChunks(bytes, caller, async (extents) => {
      const placed = extents.map((extent) => ({ ...extent, offset: extent.offset + offset }))
      const done = await this.#spilling(path, caller, (t, located, spilled) => {
        if (!isStill(t)) return { needs: 'extents' }
        const range = { kind: 'extents', offset, length, extents: placed } as const
        return report(t, writeRange(t, located, spilled === undefined ? range : { ...range, spilled }))
      })
      if (done === undefined)
        await this.#transact(caller, (t) => discardUnused(t.tx, chunksOf(extents), t.nowMs), { frees: true })
      return done
    })
  }

  /** Runs a change that may first need the file's inline bytes as a chunk. `undefined`: others came between again and
   *  again, or the change needs something else than it has. */
  async #spilling(
    path: Path,
    caller: Caller,
    change: (t: VolumeTransaction, located: Located, spilled: Spilled | undefined) => RangeWriteResult,
  ): Promise<Located | undefined> {
    let result = await this.#transact(caller, (t) => change(t, this.#file(t, path), undefined))
    for (let tries = 1; tries < TRIES; tries += 1) {
      if ('done' in result) return result.done
      if (result.needs === 'extents') return undefined
      const { bytes, version } = result
      result = await this.#withChunks(bytes, caller, (extents) =>
        this.#transact(caller, (t) => {
          const next = change(t, this.#file(t, path), { version, extent: extents[0] as Extent })
          // The file may have changed meanwhile: then this chunk is of no use.
          discardUnused(t.tx, chunksOf(extents), t.nowMs)
          return next
        }),
      )
    }
    return 'done' in result ? result.done : undefined
  }

  /** Stores `bytes` as chunks, which stay pinned while `use` makes them part of a file. */
  async #withChunks<T>(bytes: Uint8Array, caller: Caller, use: (extents: readonly Extent[]) => Promise<T>): Promise<T> {
    const writer = this.#writer({})
    try {
      return await use((await writer.write(once(bytes))).extents)
    } catch (error) {
      await this.#discard(writer, undefined, caller)
      throw error
    } finally {
      writer.release()
    }
  }

  async truncate(path: Path, sizeBytes: number, caller: Caller): Promise<Located> {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
      throw new ShoalError('INVALID_ARGUMENT', `The size ${sizeBytes} is not a whole number from 0 on`)
    const done = await this.#spilling(path, caller, (t, located, spilled) =>
      report(t, truncateRange(t, located, { sizeBytes, ...(spilled === undefined ? {} : { spilled }) })),
    )
    if (done === undefined) throw conflict(path)
    return done
  }

  /** Copies a range by reference; bytes move only out of and into inline contents. */
  async copyRange(copy: CopyRange, caller: Caller): Promise<Located> {
    checkCopy(copy)
    const { source, sourceOffset, target, targetOffset, length } = copy
    for (let tries = 0; tries < TRIES; tries += 1) {
      const inline = await this.#stores.metadata.read(this.#volume, (view) => {
        const { record } = resolveExisting(view, source, { prefer: 'file', follow: true })
        return record.form === 'inline' ? { record, bytes: readInline(view, record) } : undefined
      })
      const done =
        inline === undefined
          ? await this.#copyExtents(copy, caller)
          : await this.#change(target, caller, {
              bytes: inline.bytes.subarray(sourceOffset, sourceOffset + length),
              offset: targetOffset,
              isStill: (t) => isSameContent(this.#file(t, source).record, inline.record),
            })
      if (done !== undefined) return done
    }
    throw conflict(target)
  }

  /** `undefined` if the source has no extents to refer to, since its contents are inline by now. */
  #copyExtents(copy: CopyRange, caller: Caller): Promise<Located | undefined> {
    const { source, sourceOffset, target, targetOffset } = copy
    return this.#spilling(target, caller, (t, located, spilled) => {
      const { record } = this.#file(t, source)
      if (record.form === 'inline') return { needs: 'extents' }
      const length = Math.min(copy.length, Math.max(0, record.sizeBytes - sourceOffset))
      if (length === 0) return { done: located }
      const extents = shiftedExtents(t, record, { start: sourceOffset, length, target: targetOffset })
      const range = { kind: 'extents', offset: targetOffset, length, extents } as const
      return report(t, writeRange(t, located, spilled === undefined ? range : { ...range, spilled }))
    })
  }

  /** The regular file at `path`, links followed. */
  #file(t: VolumeTransaction, path: Path): Located {
    const located = resolveExisting(t, path, { follow: true, prefer: 'file' })
    if (located.record.type === 'directory') throw new ShoalError('IS_A_DIRECTORY', `"/${formatPath(path)}" is a directory`)
    if (located.record.type !== 'file')
      throw new ShoalError('NOT_PERMITTED', `"/${formatPath(path)}" is a ${located.record.type} and has no contents`)
    return located
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

function report(t: VolumeTransaction, result: RangeWriteResult): RangeWriteResult {
  if ('done' in result) reportChange(t, result.done, 'write')
  return result
}

function chunksOf(extents: readonly Extent[]): ChunkId[] {
  return extents.map(({ chunk }) => chunk)
}

function isSameContent(a: InodeRecord, b: InodeRecord): boolean {
  return a.inode === b.inode && a.version === b.version
}

function conflict(path: Path): ShoalError {
  return new ShoalError(
    'CONFLICT',
    `"/${formatPath(path)}" was changed by others again and again during this write: try it again`,
  )
}

function checkCopy({ sourceOffset, targetOffset, length }: CopyRange): void {
  for (const value of [sourceOffset, targetOffset, length]) {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new ShoalError('INVALID_ARGUMENT', `${value} is not a whole number from 0 on`)
  }
}

export function toResult({ located, created }: FileWritten): WriteResult {
  return { attributes: located.record, created }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
