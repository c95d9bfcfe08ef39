import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ChunkInfo } from '#chunk/store.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { mergedList } from './merged-list.ts'
import type { PageSource } from './merged-list.ts'

const idOf = (number: number): ChunkId => number.toString(16).padStart(64, '0') as ChunkId
const LAST = 'f'.repeat(64) as ChunkId

function source(chunks: readonly ChunkInfo[]): PageSource {
  const sorted = chunks.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  return async (from, limit) => sorted.filter(({ id }) => from === undefined || id >= from).slice(0, limit)
}

async function all(sources: readonly PageSource[], from?: ChunkId): Promise<ChunkInfo[]> {
  const chunks: ChunkInfo[] = []
  for await (const chunk of mergedList(sources, from)) chunks.push(chunk)
  return chunks
}

test('lists of any nodes become one: each chunk once, in order, touched when its latest copy was', async () => {
  const list = fc.uniqueArray(fc.tuple(fc.nat(50), fc.nat(1_000)), { selector: ([number]) => number, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(fc.array(list, { maxLength: 5 }), fc.option(fc.nat(50), { nil: undefined }), async (lists, from) => {
      const expected = new Map<ChunkId, number>()
      for (const [number, touchedAtMs] of lists.flat()) {
        if (from !== undefined && number < from) continue
        expected.set(idOf(number), Math.max(expected.get(idOf(number)) ?? 0, touchedAtMs))
      }
      const sources = lists.map((chunks) =>
        source(chunks.map(([number, touchedAtMs]) => ({ id: idOf(number), sizeBytes: 1, touchedAtMs }))),
      )
      const merged = await all(sources, from === undefined ? undefined : idOf(from))
      assert.deepEqual(
        merged.map(({ id, touchedAtMs }) => [id, touchedAtMs]),
        [...expected].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      )
    }),
  )
})

test('lists of several pages are read to their ends, also where one ends with the greatest id', async () => {
  const chunks = Array.from({ length: 2_500 }, (_, number) => ({ id: idOf(number), sizeBytes: 1, touchedAtMs: 0 }))
  const full = [...chunks.slice(0, 999), { id: LAST, sizeBytes: 1, touchedAtMs: 0 }]
  const odd = chunks.filter((_, number) => number % 2 === 1)
  const merged = await all([source(chunks), source(full), source(odd)])
  assert.equal(merged.length, 2_501)
  assert.equal(merged.at(-1)?.id, LAST)
})
