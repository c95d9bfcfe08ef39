import { keyOfPath } from '#foundation/object-key.ts'
import type { Entry } from '#volume/volume.ts'

/** Leaves out files beside which there is a directory of the same name, as S3 can make them: both would have one address,
 *  and it leads to the directory. A file comes before its directory in a listing, with names between the two that begin
 *  alike, so it is held back for so long; what comes out is in no order. */
export class HideShadowed {
  #held: { readonly key: string; readonly entry: Entry }[] = []

  /** What may be shown now. */
  accept(entry: Entry): readonly Entry[] {
    const isDirectory = entry.attributes.type === 'directory'
    const key = keyOfPath(entry.path)
    const shown: Entry[] = isDirectory ? [entry] : []
    const held = this.#held
    this.#held = isDirectory ? [] : [{ key, entry }]
    for (const each of held) {
      if (isDirectory && each.key === key) continue
      if (key.startsWith(each.key)) this.#held.push(each)
      else shown.push(each.entry)
    }
    return shown
  }

  /** What is left at the end of the listing. */
  finish(): readonly Entry[] {
    const shown = this.#held.map(({ entry }) => entry)
    this.#held = []
    return shown
  }
}
