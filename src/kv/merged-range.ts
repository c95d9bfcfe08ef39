import type { Interval } from './arguments.ts'
import type { FlushedState } from './commit-base.ts'
import { nameOfKey } from './key-name.ts'
import type { OrderedWalk } from './ordered-map.ts'
import type { KeyValue } from './store.ts'
import type { Write, WriteSet } from './write-set.ts'

type Walk = OrderedWalk<Write>

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** Walks `base` as it looks under `layers`, newest first. None of them may change during the walk. Where no layer writes
 *  inside the interval, it is the walk of the base itself. */
export function mergedRange(base: FlushedState, layers: readonly WriteSet[], interval: Interval): IterableIterator<KeyValue> {
  const walks = openWalks(layers, interval)
  return walks.length === 0 ? base.range(interval) : new MergedRange(base, walks, interval)
}

function openWalks(layers: readonly WriteSet[], { start, end, reverse }: Interval): Walk[] {
  const walks: Walk[] = []
  if (layers.every((layer) => layer.size === 0)) return walks
  const options = { start: nameOfKey(start), end: end === undefined ? undefined : nameOfKey(end), reverse }
  for (const layer of layers) {
    if (layer.size === 0) continue
    const walk = layer.walk(options)
    if (walk.name !== undefined) walks.push(walk)
  }
  return walks
}

class MergedRange implements IterableIterator<KeyValue> {
  readonly #base: IterableIterator<KeyValue>
  readonly #walks: readonly Walk[]
  readonly #reverse: boolean
  #left: number
  #head: KeyValue | undefined
  #headName: string | undefined

  constructor(base: FlushedState, walks: readonly Walk[], interval: Interval) {
    this.#base = base.range({ ...interval, limit: Infinity })
    this.#walks = walks
    this.#reverse = interval.reverse
    this.#left = interval.limit
    this.#pullBase()
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<KeyValue, undefined> {
    while (this.#left > 0) {
      const name = this.#nearest()
      if (name === undefined) break
      const found = this.#take(name)
      if (found === undefined) continue
      this.#left -= 1
      return { done: false, value: found }
    }
    return this.return()
  }

  return(): IteratorReturnResult<undefined> {
    this.#left = 0
    this.#base.return?.()
    return DONE
  }

  /** The next name in order, over the base and all layers. */
  #nearest(): string | undefined {
    let nearest = this.#headName
    for (const { name } of this.#walks) {
      if (name !== undefined && (nearest === undefined || (this.#reverse ? name > nearest : name < nearest))) nearest = name
    }
    return nearest
  }

  /** What the newest layer says of `name`, moving everything past it; `undefined` if that is a removal. */
  #take(name: string): KeyValue | undefined {
    let newest: Write | undefined
    for (const walk of this.#walks) {
      if (walk.name !== name) continue
      newest ??= walk.value
      walk.advance()
    }
    const head = this.#head
    if (this.#headName === name) this.#pullBase()
    if (newest === undefined) return head
    return newest.value === undefined ? undefined : { key: Buffer.from(newest.key), value: Buffer.from(newest.value) }
  }

  #pullBase(): void {
    const { done, value } = this.#base.next()
    this.#head = done ? undefined : value
    this.#headName = done ? undefined : nameOfKey(value.key)
  }
}
