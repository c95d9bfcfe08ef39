import type { ChunkId } from '#foundation/ids.ts'
import type { KeyValue } from '#kv/store.ts'
import { chunkOfReferenceKey, KIND, SYSTEM_PREFIX } from '#metadata/keys.ts'
import { decodeReference } from '#metadata/references.ts'

const KIND_AT = SYSTEM_PREFIX.length
const REFERENCE_KEY_BYTES = KIND_AT + 1 + 32

/** The chunk that a row of the metadata says is in use; `undefined` for any other row. A walk over all rows meets each chunk once, in
 *  ascending order of id. */
export function usedChunk({ key, value }: KeyValue): ChunkId | undefined {
  const isReference =
    key.length === REFERENCE_KEY_BYTES && key[KIND_AT] === KIND.reference && key.subarray(0, KIND_AT).equals(SYSTEM_PREFIX)
  return isReference && decodeReference(value).count > 0 ? chunkOfReferenceKey(key) : undefined
}
