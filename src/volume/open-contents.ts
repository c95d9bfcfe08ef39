import { isShoalError } from '#foundation/errors.ts'
import { forTheWriter } from '#kv/following-store.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import type { VolumeView } from '#metadata/transaction.ts'
import { type Captured, ContentReader, type ReaderStores, withTable } from './content-reader.ts'

/** A file that is changed again and again just then is opened by the thread that changes it. */
const TRIES = 4

type Look = (view: VolumeView) => Captured | undefined
type Stores = ReaderStores & { readonly metadata: Metadata }

/** Opens what `look` finds, as it is at one moment, and pins it. `undefined` if it finds nothing. What `look` finds last is
 *  what is opened. */
export async function openContents(stores: Stores, volume: VolumeHandle, look: Look): Promise<ContentReader | undefined> {
  const { metadata, settle, copiesTables } = stores
  const captured = await metadata.read(volume, (view) => {
    const found = look(view)
    return copiesTables === true && found !== undefined ? withTable(view, found) : found
  })
  const open = (what: Captured | undefined): ContentReader | undefined =>
    what === undefined ? undefined : new ContentReader(stores, what)
  if (settle !== undefined) return openBeside(stores, { volume, look, captured, settle: () => settle(volume) })
  if (captured?.record.form !== 'table' || captured.table !== undefined) return open(captured)
  // A change that is under way doesn't know of this reader, and changes the table in place: a transaction comes after
  // it, and before any that will know.
  let file: ContentReader | undefined
  try {
    await metadata.transact(
      volume,
      '',
      (t) => {
        file?.close()
        file = open(look(t))
      },
      { frees: true },
    )
    return file
  } catch (error) {
    file?.close()
    // Nothing can be changed any more, but what is there can be read.
    if (isShoalError(error, 'STORAGE_FAILED')) return open(captured)
    throw error
  }
}

interface Beside {
  readonly volume: VolumeHandle
  readonly look: Look
  readonly captured: Captured | undefined
  readonly settle: () => Promise<void>
}

/** As above, beside a thread that changes things meanwhile: what was pinned counts if it is still there afterwards. */
async function openBeside(stores: Stores, { volume, look, captured: first, settle }: Beside): Promise<ContentReader | undefined> {
  let captured = first
  for (let tries = 0; tries < TRIES && captured !== undefined; tries += 1) {
    const file = new ContentReader(stores, captured)
    if (!file.isPinned) return file
    try {
      if (captured.record.form === 'table') await settle()
      captured = await stores.metadata.read(volume, look)
      const again = captured === undefined ? undefined : new ContentReader(stores, captured)
      if (again === undefined || again.needsNoMoreThan(file)) return again
      again.close()
    } finally {
      file.close()
    }
  }
  if (captured === undefined) return undefined
  throw forTheWriter('The file was changed again and again while it was being opened')
}
