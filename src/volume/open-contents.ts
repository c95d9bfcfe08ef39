import { isShoalError } from '#foundation/errors.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import type { VolumeView } from '#metadata/transaction.ts'
import { type Captured, ContentReader, type ReaderStores } from './content-reader.ts'

/** Opens what `look` finds, as it is at one moment, and pins it. `undefined` if it finds nothing. */
export async function openContents(
  stores: ReaderStores & { readonly metadata: Metadata },
  volume: VolumeHandle,
  look: (view: VolumeView) => Captured | undefined,
): Promise<ContentReader | undefined> {
  const { metadata } = stores
  const captured = await metadata.read(volume, look)
  const open = (what: Captured | undefined): ContentReader | undefined =>
    what === undefined ? undefined : new ContentReader(stores, what)
  if (captured?.record.form !== 'table') return open(captured)
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
