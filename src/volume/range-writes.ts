// Changing a part of a file: bytes at an offset, a range of another file by reference, a new length.

import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { TransactOptions } from '#kv/store.ts'
import { readInline } from '#metadata/contents.ts'
import { checkConditions, type Conditions, reportChange } from '#metadata/files.ts'
import type { Located } from '#metadata/inodes.ts'
import type { VolumeHandle } from '#metadata/metadata.ts'
import {
  looseContents,
  punchRange,
  type ReservedRange,
  reserveRange,
  type RangeWriteResult,
  replaceEdited,
  type Spilled,
  truncateRange,
  writeRange,
} from '#metadata/range-writes.ts'
import { refuseEncrypted } from '#metadata/object-part.ts'
import { type Extent, MAX_INLINE_BYTES } from '#metadata/record.ts'
import { discardUnused } from '#metadata/references.ts'
import { resolveExisting } from '#metadata/resolve.ts'
import { once, type ResultCodec } from '#metadata/remembered.ts'
import { LOCATED_RESULT } from '#metadata/result-codecs.ts'
import { type FileState, isSameContent, type Rewrite } from '#metadata/rewrite.ts'
import type { VolumeTransaction, VolumeView } from '#metadata/transaction.ts'
import type { FileWrites, WriteStores } from './file-writes.ts'
import { recallEarly } from './recall-early.ts'
import type { Caller, CopyRange, RangeWrite } from './volume.ts'

/** A write of a range is this long at most. */
export const MAX_RANGE_BYTES = 64 * 1024 * 1024

/** One way of changing a file, given its inline contents as a chunk where it asked for them. */
type Change = (t: VolumeTransaction, located: Located, spilled: Spilled | undefined) => RangeWriteResult

/** What came of it: anything but steps, which have been taken. */
type Attempt = Exclude<RangeWriteResult, { needs: 'steps' }> | { readonly needs: 'another-try' }

/** Of one try: what needs another is no result. */
const CHANGE_RESULT: ResultCodec<RangeWriteResult | Attempt | undefined> = {
  encode: (attempt) => (attempt !== undefined && 'done' in attempt ? LOCATED_RESULT.encode(attempt.done) : undefined),
  decode: decodeDone,
}
const ATTEMPT_RESULT: ResultCodec<Attempt | undefined> = {
  encode: (attempt) => CHANGE_RESULT.encode(attempt),
  decode: decodeDone,
}
const BEGIN_RESULT: ResultCodec<{ readonly result: Attempt | undefined } | { readonly rewrite: Rewrite }> = {
  encode: (begun) => ('result' in begun ? CHANGE_RESULT.encode(begun.result) : undefined),
  decode: (bytes) => ({ result: decodeDone(bytes) }),
}

/** Others may change the file between the look at it and the commit; so often it is tried again. */
const TRIES = 5

export class RangeWrites {
  readonly #stores: WriteStores
  readonly #volume: VolumeHandle
  readonly #files: FileWrites

  constructor(stores: WriteStores, volume: VolumeHandle, files: FileWrites) {
    this.#stores = stores
    this.#volume = volume
    this.#files = files
  }

  async writeAt(path: Path, write: RangeWrite, caller: Caller): Promise<Located> {
    const { offset, bytes } = write
    if (!Number.isSafeInteger(offset) || offset < 0)
      throw new ShoalError('INVALID_ARGUMENT', `The offset ${offset} is not a whole number from 0 on`)
    if (bytes.length > MAX_RANGE_BYTES) throw new ShoalError('TOO_LARGE', `One write has ${MAX_RANGE_BYTES} bytes at most`)
    const before = caller.request && (await recallEarly(this.#stores.metadata, caller, LOCATED_RESULT))
    if (before !== undefined) return before.result
    const done = await this.#change(path, caller, write)
    if (done === undefined) throw conflict(path)
    return done
  }

  /** `undefined`: others came between again and again, or `isStill` no longer holds. */
  async #change(
    path: Path,
    caller: Caller,
    write: RangeWrite & { isStill?: (t: VolumeTransaction) => boolean },
  ): Promise<Located | undefined> {
    const { bytes, offset, conditions, isStill = () => true } = write
    const { length } = bytes
    const { request } = caller
    if (length === 0)
      return this.#transact(caller, (t) => once(t.tx, request, LOCATED_RESULT, () => this.#file(t, path, conditions)))
    if (offset + length <= MAX_INLINE_BYTES) {
      const result = await this.#transact(caller, (t) =>
        once(t.tx, request, CHANGE_RESULT, () => {
          const located = this.#file(t, path, conditions)
          return isStill(t) ? report(t, writeRange(t, located, { kind: 'inline', offset, bytes }), located) : undefined
        }),
      )
      if (result === undefined) return undefined
      if ('done' in result) return result.done
    }
    return this.#files.withChunks(bytes, caller, async (extents) => {
      const from = { contents: looseContents(extents), start: 0 }
      const done = await this.#spilling(path, caller, (t, located, spilled) => {
        checkConditions(conditions, located.record)
        return isStill(t) ? writeRange(t, located, { kind: 'extents', offset, length, from, spilled }) : { needs: 'extents' }
      })
      if (done === undefined)
        await this.#transact(caller, (t) => discardUnused(t.tx, chunksOf(extents), t.nowMs), { frees: true })
      return done
    })
  }

  /** Runs a change that may first need the file's inline bytes as a chunk. `undefined`: others came between again and
   *  again, or the change needs something else than it has. */
  async #spilling(path: Path, caller: Caller, change: Change, options?: TransactOptions): Promise<Located | undefined> {
    const plain: Change = (t, located) => change(t, located, undefined)
    let result = await this.#inTurn(path, caller, plain, options)
    for (let tries = 1; tries < TRIES; tries += 1) {
      if ('done' in result) return result.done
      if (result.needs === 'extents') return undefined
      if (result.needs === 'another-try') {
        result = await this.#inTurn(path, caller, plain, options)
        continue
      }
      const { bytes, of } = result
      result = await this.#files.withChunks(bytes, caller, (extents) => {
        const withSpilled: Change = (t, located) => {
          const next = change(t, located, { of, extent: extents[0] as Extent })
          // The file may have changed meanwhile: then this chunk is of no use.
          discardUnused(t.tx, chunksOf(extents), t.nowMs)
          return next
        }
        return this.#inTurn(path, caller, withSpilled, options)
      })
    }
    return 'done' in result ? result.done : undefined
  }

  /** Runs a change once, in steps if it needs them; after these others may have changed the file. */
  async #inTurn(path: Path, caller: Caller, change: Change, options: TransactOptions | undefined): Promise<Attempt> {
    const { rewrites } = this.#stores
    const { request } = caller
    for (;;) {
      let turn: Promise<void> | undefined
      let before: FileState | undefined
      const result = await rewrites.run<Attempt | undefined>({
        volume: this.#volume,
        principal: caller.principal,
        options,
        begin: (t) =>
          once(t.tx, request, BEGIN_RESULT, () => {
            const located = this.#file(t, path)
            turn = rewrites.turn(this.#volume, located.record.inode)
            if (turn !== undefined) return { result: undefined }
            const changed = change(t, located, undefined)
            if (!('rewrite' in changed)) return { result: report(t, changed, located) }
            before = changed.rewrite.before
            return changed
          }),
        publish: (t, take) =>
          once(t.tx, request, ATTEMPT_RESULT, () => {
            const located = this.#file(t, path)
            if (before === undefined || !isSameContent(located.record, before)) return undefined
            return report(t, { done: replaceEdited(t, located, take()) }, located)
          }),
      })
      if (result !== undefined) return result
      if (turn === undefined) return { needs: 'another-try' }
      await turn
    }
  }

  async truncate(
    path: Path,
    { sizeBytes, conditions }: { readonly sizeBytes: number; readonly conditions: Conditions | undefined },
    caller: Caller,
  ): Promise<Located> {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
      throw new ShoalError('INVALID_ARGUMENT', `The size ${sizeBytes} is not a whole number from 0 on`)
    const before = caller.request && (await recallEarly(this.#stores.metadata, caller, LOCATED_RESULT))
    if (before !== undefined) return before.result
    const { record } = await this.#stores.metadata.read(this.#volume, (view) => this.#file(view, path))
    const change: Change = (t, located, spilled) => {
      checkConditions(conditions, located.record)
      return truncateRange(t, located, { sizeBytes, spilled })
    }
    const done = await this.#spilling(path, caller, change, { frees: sizeBytes < record.sizeBytes })
    if (done === undefined) throw conflict(path)
    return done
  }

  async punch(path: Path, range: { offset: number; length: number }, caller: Caller): Promise<Located> {
    checkWhole([range.offset, range.length])
    const done = await this.#spilling(path, caller, (t, located) => punchRange(t, located, range), { frees: true })
    if (done === undefined) throw conflict(path)
    return done
  }

  async reserve(path: Path, range: ReservedRange, caller: Caller): Promise<Located> {
    const { offset, length, keepsSize } = range
    checkWhole([offset, length])
    if (offset + length > Number.MAX_SAFE_INTEGER)
      throw new ShoalError('TOO_LARGE', `A file ends at ${Number.MAX_SAFE_INTEGER} bytes at most`)
    const change: Change = (t, located, spilled) => reserveRange(t, located, { offset, length, keepsSize, spilled })
    const done = await this.#spilling(path, caller, change)
    if (done === undefined) throw conflict(path)
    return done
  }

  /** Copies a range by reference; bytes move only out of and into inline contents. */
  async copyRange(copy: CopyRange, caller: Caller): Promise<Located> {
    const { source, sourceOffset, target, targetOffset, length } = copy
    checkWhole([sourceOffset, targetOffset, length])
    const before = caller.request && (await recallEarly(this.#stores.metadata, caller, LOCATED_RESULT))
    if (before !== undefined) return before.result
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
      const from = { contents: record, start: sourceOffset }
      return writeRange(t, located, { kind: 'extents', offset: targetOffset, length, from, spilled })
    })
  }

  /** The regular file at `path`, links followed. */
  #file(view: VolumeView, path: Path, conditions?: Conditions): Located {
    const located = resolveExisting(view, path, { follow: true, prefer: 'file' })
    if (located.record.type === 'directory') throw new ShoalError('IS_A_DIRECTORY', `"/${formatPath(path)}" is a directory`)
    if (located.record.type !== 'file')
      throw new ShoalError('NOT_PERMITTED', `"/${formatPath(path)}" is a ${located.record.type} and has no contents`)
    refuseEncrypted(located.record.object)
    checkConditions(conditions, located.record)
    return located
  }

  #transact<T>(caller: Caller, fn: (t: VolumeTransaction) => T, options?: TransactOptions): Promise<T> {
    return this.#stores.metadata.transact(this.#volume, caller.principal, fn, options)
  }
}

function decodeDone(bytes: Buffer): { readonly done: Located } {
  return { done: LOCATED_RESULT.decode(bytes) }
}

function report<T extends RangeWriteResult>(t: VolumeTransaction, result: T, before: Located): T {
  if ('done' in result && result.done !== before) reportChange(t, result.done, 'write')
  return result
}

function chunksOf(extents: readonly Extent[]): ChunkId[] {
  return extents.map(({ chunk }) => chunk)
}

function conflict(path: Path): ShoalError {
  return new ShoalError(
    'CONFLICT',
    `"/${formatPath(path)}" was changed by others again and again during this write: try it again`,
  )
}

function checkWhole(values: readonly number[]): void {
  for (const value of values) {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new ShoalError('INVALID_ARGUMENT', `${value} is not a whole number from 0 on`)
  }
}
