import { isShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import type { KeyValue, KeyValueStore } from './store.ts'

/** A store for one test, empty at first. */
export interface StoreFixture {
  readonly store: KeyValueStore
  /** How many commits have succeeded since it was opened. */
  readonly commits: () => number
  /** Closes the store if it is open, and opens what it left behind. */
  readonly reopen: () => Promise<KeyValueStore>
  readonly dispose: () => Promise<void>
}

export type FreshStore = () => Promise<StoreFixture>

export const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
export const show = (entries: Iterable<KeyValue>): string[] =>
  [...entries].map(({ key, value }) => `${key.toString('latin1')}=${value.toString('latin1')}`)
export const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isShoalError(error, code)

export async function collect(range: AsyncIterable<KeyValue>): Promise<KeyValue[]> {
  const entries: KeyValue[] = []
  for await (const entry of range) entries.push(entry)
  return entries
}

export async function fill(store: KeyValueStore, names: Iterable<string>): Promise<void> {
  await store.transact((transaction) => {
    for (const name of names) transaction.put(bytes(name), bytes(`v${name}`))
  })
}

export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `n${String(at).padStart(6, '0')}`)
}

export function numberedTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at)
}
