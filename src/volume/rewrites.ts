import type { InodeId } from '#foundation/ids.ts'
import type { TransactOptions } from '#kv/store.ts'
import type { NewContents } from '#metadata/contents.ts'
import { contentBytes } from '#metadata/keys.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { beginDraft, type Draft, fillDraft, type Piece, type Rewrite, takeDraft } from '#metadata/rewrite.ts'
import type { VolumeTransaction } from '#metadata/transaction.ts'
import { contentPin, type Pins } from './pins.ts'

export interface RewriteSteps<T> {
  readonly volume: VolumeHandle
  readonly principal: string
  /** Makes a small change at once and gives its result, or describes the contents of a large one. */
  readonly begin: (t: VolumeTransaction) => { readonly result: T } | { readonly rewrite: Rewrite }
  /** Makes the finished contents a file's. `take` gives them, and must be called in the same transaction or not at all: then
   *  the collector removes them. */
  readonly publish: (t: VolumeTransaction, take: () => NewContents) => T
  /** Of the first and the last step. */
  readonly options?: TransactOptions | undefined
}

/** Changes that touch more extents than one transaction can carry. The new contents are made beside the old ones, in steps
 *  that leave room for others, and take their place in one last step; what is read meanwhile is the old. After a crash in
 *  the middle the collector removes what was made. */
export class Rewrites {
  readonly #metadata: Metadata
  readonly #pins: Pins
  /** Files that are being changed in steps: a second change of the same file waits for its turn, or neither would end. */
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(stores: { readonly metadata: Metadata; readonly pins: Pins }) {
    this.#metadata = stores.metadata
    this.#pins = stores.pins
  }

  /** The end of the change in steps that the file is under, if it is. */
  turn(volume: VolumeHandle, inode: InodeId): Promise<void> | undefined {
    return this.#underWay.get(`${volume.id}/${inode}`)
  }

  async run<T>(steps: RewriteSteps<T>): Promise<T> {
    const { volume, principal, begin, publish, options } = steps
    const pinned = new PinSet(this.#pins)
    let end = (): void => {}
    try {
      const begun = await this.#metadata.transact(
        volume,
        principal,
        (t) => {
          // It may be run anew.
          end()
          pinned.clear()
          const begun = begin(t)
          if ('result' in begun) return begun
          const { pieces, sizeBytes, before } = begun.rewrite
          // Pinned within the transaction: whoever changes the same contents afterwards knows.
          const draft = beginDraft(t)
          pinned.add(contentPin(t.prefix, contentBytes(draft.content)))
          for (const { contents } of pieces) {
            if (contents.form === 'table') pinned.add(contentPin(t.prefix, contentBytes(contents.content)))
            else for (const { chunk } of contents.extents) pinned.add(chunk)
          }
          end = this.#takeTurn(volume, before?.inode)
          return { pieces, sizeBytes, draft }
        },
        options,
      )
      if ('result' in begun) return begun.result
      const occupiedBytes = await this.#fill(steps, begun.draft, begun.pieces)
      return await this.#metadata.transact(
        volume,
        principal,
        (t) => publish(t, () => takeDraft(t, begun.draft, { sizeBytes: begun.sizeBytes, occupiedBytes })),
        options,
      )
    } finally {
      end()
      pinned.clear()
    }
  }

  /** It takes room, also where the change as a whole makes some. How many bytes are in it. */
  async #fill<T>({ volume, principal }: RewriteSteps<T>, draft: Draft, pieces: readonly Piece[]): Promise<number> {
    let progress = { done: false, until: 0, storedBytes: 0 }
    while (!progress.done) {
      const before = progress
      progress = await this.#metadata.transact(volume, principal, (t) => fillDraft(t, draft, pieces, before))
    }
    return progress.storedBytes
  }

  #takeTurn(volume: VolumeHandle, inode: InodeId | undefined): () => void {
    if (inode === undefined) return () => {}
    const key = `${volume.id}/${inode}`
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#underWay.set(key, promise)
    return () => {
      if (this.#underWay.get(key) === promise) this.#underWay.delete(key)
      resolve()
    }
  }
}

/** What one piece of work has pinned. */
class PinSet {
  readonly #pins: Pins
  #keys: string[] = []

  constructor(pins: Pins) {
    this.#pins = pins
  }

  add(key: string): void {
    this.#pins.pin(key)
    this.#keys.push(key)
  }

  clear(): void {
    for (const key of this.#keys.splice(0)) this.#pins.unpin(key)
  }
}
