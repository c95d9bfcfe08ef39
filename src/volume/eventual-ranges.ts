import type { Content, Extent } from '#eventual/entry.ts'
import type { EventualContents, StoredContent } from './eventual-contents.ts'
import { piece, withRange, zeros } from './eventual-pieces.ts'
import type { OpenFile } from './volume.ts'

/** Bytes that take the place of others, or come behind them. */
export interface NewRange {
  readonly offset: number
  readonly length: number
  readonly bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

export interface StoredFile {
  readonly file: OpenFile
  readonly content: Content
}

/** Stores a file with other bytes in a range, and lets `publish` make a version of it. Chunks in which nothing changes are those that the file has:
 *  the version that it is made over keeps them, until it has been replaced in the step that makes the new one.
 *  @throws what `EventualContents.store` throws */
export async function storeRange<T>(
  contents: EventualContents,
  { file, content, range }: StoredFile & { readonly range: NewRange },
  publish: (stored: StoredContent) => Promise<T>,
): Promise<T> {
  const { sizeBytes: before } = file.attributes
  if (content.kind === 'inline' || range.length === 0) return contents.store(withRange(file, before, range), {}, publish)
  const kept = partsAround(await contents.extentsOf(content), range)
  const changed = withRange(shifted(file, kept), kept.end - kept.start, { ...range, offset: range.offset - kept.start })
  return contents.storePart(changed, {}, ({ extents }) =>
    contents.joined([...kept.head, ...extents, ...kept.tail], (joined) => {
      const sizeBytes = Math.max(before, range.offset + range.length)
      return publish({ content: joined, sizeBytes, sha256: undefined, md5: undefined })
    }),
  )
}

/** The same with another length: cut, or with zeros behind it. */
export function storeLength<T>(
  contents: EventualContents,
  { file, content, sizeBytes }: StoredFile & { readonly sizeBytes: number },
  publish: (stored: StoredContent) => Promise<T>,
): Promise<T> {
  const { sizeBytes: before } = file.attributes
  const length = sizeBytes - before
  if (length <= 0) return contents.store(piece(file, { offset: 0, length: sizeBytes }), {}, publish)
  return storeRange(contents, { file, content, range: { offset: before, length, bytes: zeros(length) } }, publish)
}

/** Zeros in a range, as far as a file goes. */
export function zerosWithin(range: Pick<NewRange, 'offset' | 'length'>, sizeBytes: number): NewRange {
  const offset = Math.min(range.offset, sizeBytes)
  const length = Math.min(range.length, sizeBytes - offset)
  return { offset, length, bytes: zeros(length) }
}

interface Parts {
  readonly head: readonly Extent[]
  /** From where to where chunks are written anew; the last one too, where something comes behind it. */
  readonly start: number
  readonly end: number
  readonly tail: readonly Extent[]
}

function partsAround(extents: readonly Extent[], { offset, length }: NewRange): Parts {
  const head: Extent[] = []
  let start = 0
  for (const extent of extents.slice(0, -1)) {
    if (start + extent.lengthBytes > offset) break
    head.push(extent)
    start += extent.lengthBytes
  }
  let [at, end] = [head.length, start]
  for (; at < extents.length && (end < offset + length || at === head.length); at += 1) end += (extents[at] as Extent).lengthBytes
  return { head, start, end, tail: extents.slice(at) }
}

/** The part of a file as a file. */
function shifted(file: OpenFile, { start }: Parts): Pick<OpenFile, 'read'> {
  return { read: ({ offset, length }, signal) => file.read({ offset: offset + start, length }, signal) }
}
