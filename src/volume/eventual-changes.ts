import type { EntryValue } from '#eventual/entry.ts'
import type { AttributeChanges } from '#metadata/files.ts'

/** What changes of attributes are to an entry. */
export function valueChanges(changes: AttributeChanges | undefined): Partial<EntryValue> {
  const { mode, uid, gid, mtimeNs } = changes ?? {}
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(mtimeNs === undefined ? {} : { mtimeNs }),
  }
}
