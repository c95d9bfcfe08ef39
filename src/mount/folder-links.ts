import { ChangeMarks } from '#gateway/fuse/change-marks.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Entry } from '#volume/volume.ts'
import { parentOf, type PendingUnit } from './pending-unit.ts'
import type { PendingTree } from './pending-tree.ts'

/** Directories of the cluster have a link of each directory in them. Of one that is being made or removed here nobody knows whether an
 *  answer of the cluster counts it already: whoever asked asks again, once that is done. */
export class FolderLinks {
  readonly #tree: Pick<PendingTree, 'changeOf' | 'unitsIn'>
  readonly #done = new ChangeMarks<string>()

  constructor(tree: Pick<PendingTree, 'changeOf' | 'unitsIn'>) {
    this.#tree = tree
  }

  /** To be taken before the cluster is asked. */
  mark(): number {
    return this.#done.mark()
  }

  /** The cluster has a unit. */
  done({ path, countedIn }: PendingUnit): void {
    if (countedIn !== undefined) this.#done.changed(parentOf(path))
  }

  /** Whether the links that the cluster says a directory has, asked for at `mark`, may be counted with what was pending or without. */
  isDoubtful(folder: string, mark: number): boolean {
    return this.#done.isChanged(mark, folder) || this.beingSent(folder).length > 0
  }

  /** What is listed in a directory; of directories of which the links are doubtful, asked for at `mark`,
   *  what `ask` finds. */
  async certain(
    folder: string,
    entries: readonly Entry[],
    { mark, ask }: { readonly mark: number; readonly ask: (path: string) => Promise<Attributes | undefined> },
  ): Promise<readonly Entry[]> {
    const pathOf = ({ path }: Entry): string => (folder === '' ? '' : `${folder}/`) + path.at(-1)
    const isDoubtful = (entry: Entry): boolean => entry.attributes.type === 'directory' && this.isDoubtful(pathOf(entry), mark)
    if (!entries.some(isDoubtful)) return entries
    let counted = entries.map((entry) => ({ entry, isDoubtful: () => isDoubtful(entry) }))
    while (counted.some((one) => one.isDoubtful()))
      counted = await Promise.all(
        counted.map(async (one) => {
          if (!one.isDoubtful()) return one
          const path = pathOf(one.entry)
          const attributes = await ask(path)
          const foundAt = this.mark()
          const entry = attributes === undefined ? one.entry : { ...one.entry, attributes }
          return { entry, isDoubtful: () => this.#done.isChanged(foundAt, path) }
        }),
      )
    return counted.map(({ entry }) => entry)
  }

  /** What is being sent that makes or removes a directory in this one. */
  beingSent(folder: string): readonly PendingUnit[] {
    const count = this.#tree.changeOf(folder)?.count
    if (count === undefined || count.units === 0) return []
    return [...this.#tree.unitsIn(folder)].filter(({ isSent, countedIn }) => isSent && countedIn === count)
  }
}
