import { isShoalError } from '#foundation/errors.ts'
import type { ReplicatedStore } from './replicated.ts'
import type { KeyValueReader, Snapshot } from './store.ts'

const COUNT_KEY = Buffer.from('count')
const keyOf = (place: number): Buffer => Buffer.from(`op/${String(place).padStart(8, '0')}`)

/** What a client saw of a list that only grows: what it appended, or how long the list was. Times are those of the simulation's
 *  steps. */
export interface Seen {
  readonly kind: 'append' | 'read'
  readonly begin: number
  /** Infinity while nobody knows what became of it. */
  end: number
  /** Of an append the place, of a read the length; unknown without an answer. */
  result: number | undefined
  /** What was appended. */
  readonly id: string
  /** It was refused, and must have had no effect. */
  isRefused: boolean
}

/** What of `history` contradicts the list's final contents, or one order of all operations that respects which ended before
 *  which began (Herlihy and Wing, "Linearizability", TOPLAS 1990). An append to place n and a read of length n have places in that
 *  order, so it is enough to look at what came before each: no search is needed. */
export function contradictions(history: readonly Seen[], list: readonly string[]): string[] {
  const found: string[] = []
  const placeOf = new Map(list.map((id, place) => [id, place]))
  if (placeOf.size !== list.length) found.push('something was appended twice')
  const placed: { readonly seen: Seen; readonly order: number }[] = []
  for (const seen of history) {
    if (seen.kind === 'read') {
      if (seen.result !== undefined) placed.push({ seen, order: 2 * seen.result })
      continue
    }
    const place = placeOf.get(seen.id)
    if (seen.result !== undefined && place !== seen.result)
      found.push(`${seen.id} was acknowledged at ${seen.result}, and is at ${place}`)
    if (seen.isRefused && place !== undefined) found.push(`${seen.id} was refused, and is at ${place}`)
    if (place !== undefined) placed.push({ seen, order: 2 * place + 1 })
  }
  const byEnd = placed.toSorted((a, b) => a.seen.end - b.seen.end)
  let at = 0
  let highest: (typeof placed)[number] | undefined
  for (const next of placed.toSorted((a, b) => a.seen.begin - b.seen.begin)) {
    for (; (byEnd[at]?.seen.end ?? Infinity) < next.seen.begin; at += 1) {
      if (highest === undefined || (byEnd[at]?.order as number) > highest.order) highest = byEnd[at]
    }
    if (highest !== undefined && highest.order > next.order) found.push(`${tell(next.seen)} came after ${tell(highest.seen)}`)
  }
  return found
}

function tell({ kind, id, result }: Seen): string {
  return kind === 'read' ? `a read of ${result}` : `the append of ${id} at ${result ?? 'its place'}`
}

/** A list in a store, and what was seen of it through any of its replicas. */
export class SharedList {
  readonly history: Seen[] = []
  readonly #now: () => number

  /** `now` never gives less than before. */
  constructor(now: () => number) {
    this.#now = now
  }

  async read(reader: Pick<KeyValueReader, 'read'>): Promise<void> {
    const seen = this.#begin('read')
    try {
      this.#end(seen, await reader.read(lengthOf))
    } catch (error) {
      if (!isShoalError(error)) throw error
    }
  }

  async append(store: ReplicatedStore): Promise<void> {
    const seen = this.#begin('append')
    try {
      const place = await store.transact((transaction) => {
        const length = lengthOf(transaction)
        transaction.put(keyOf(length), Buffer.from(seen.id))
        transaction.put(COUNT_KEY, Buffer.from(String(length + 1)))
        return length
      })
      this.#end(seen, place)
    } catch (error) {
      if (!isShoalError(error)) throw error
      seen.isRefused = error.code === 'UNAVAILABLE' && error.details['ambiguous'] !== true
    }
  }

  #begin(kind: Seen['kind']): Seen {
    const id = String(this.history.length)
    const seen: Seen = { kind, begin: this.#now(), end: Infinity, result: undefined, id, isRefused: false }
    this.history.push(seen)
    return seen
  }

  #end(seen: Seen, result: number): void {
    seen.result = result
    seen.end = this.#now()
  }
}

function lengthOf(snapshot: Snapshot): number {
  return Number(snapshot.get(COUNT_KEY)?.toString() ?? 0)
}

export function listOf(snapshot: Snapshot): string[] {
  return [...snapshot.range({ start: keyOf(0), end: Buffer.from('op0') })].map(({ value }) => value.toString())
}
