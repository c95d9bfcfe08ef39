import type { NodeId } from '#foundation/ids.ts'
import { encodeUpdate, type Update } from './update.ts'

interface News {
  readonly key: string
  readonly update: Update
  /** Made when it is first told: much news is overtaken before. */
  bytes: Buffer | undefined
}

/** Looked at in vain before a packet counts as full. */
const MISFITS_MAX = 4

/** News to tell: what was told least goes first, and is forgotten when it was told often enough (SWIM, section 4.1). It
 *  holds two pieces a node at most, what the node says of itself and what others say of it, so its size is bounded by
 *  the number of nodes. */
export class GossipQueue {
  /** By how often they were told, the oldest first. */
  readonly #tiers: Map<string, News>[] = []
  readonly #tierOf = new Map<string, number>()

  get size(): number {
    return this.#tierOf.size
  }

  /** Takes the place of older news of the same kind about the same node. */
  add(update: Update): void {
    if (update.kind === 'removed') this.forget(update.id)
    const key = keyOf(update.id, update.kind === 'alive' ? 'facts' : 'said')
    this.#drop(key)
    this.#put(0, { key, update, bytes: undefined })
  }

  clear(): void {
    this.#tiers.length = 0
    this.#tierOf.clear()
  }

  forget(id: NodeId): void {
    this.#drop(keyOf(id, 'facts'))
    this.forgetSaid(id)
  }

  /** The node has contradicted whatever others said of it. */
  forgetSaid(id: NodeId): void {
    this.#drop(keyOf(id, 'said'))
  }

  /** Takes as much as fits into `roomBytes`; each counts as told once more, and goes when that makes `limit`. */
  take(roomBytes: number, limit: number): Buffer[] {
    const taken: { readonly news: News; readonly tier: number }[] = []
    let room = roomBytes
    let misfits = 0
    for (let tier = 0; tier < this.#tiers.length && misfits < MISFITS_MAX; tier += 1) {
      for (const news of (this.#tiers[tier] as Map<string, News>).values()) {
        const { length } = (news.bytes ??= encodeUpdate(news.update))
        if (length > room) {
          misfits += 1
          if (misfits >= MISFITS_MAX) break
          continue
        }
        room -= length
        taken.push({ news, tier })
      }
    }
    for (const { news, tier } of taken) {
      this.#drop(news.key)
      if (tier + 1 < limit) this.#put(tier + 1, news)
    }
    return taken.flatMap(({ news }) => news.bytes ?? [])
  }

  #put(tier: number, news: News): void {
    while (this.#tiers.length <= tier) this.#tiers.push(new Map())
    ;(this.#tiers[tier] as Map<string, News>).set(news.key, news)
    this.#tierOf.set(news.key, tier)
  }

  #drop(key: string): void {
    const tier = this.#tierOf.get(key)
    if (tier === undefined) return
    ;(this.#tiers[tier] as Map<string, News>).delete(key)
    this.#tierOf.delete(key)
  }
}

function keyOf(id: NodeId, part: 'facts' | 'said'): string {
  return `${part}/${id}`
}
