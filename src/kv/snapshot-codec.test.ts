import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { decodePages, encodePages } from './snapshot-codec.ts'
import type { KeyValue } from './store.ts'

const bytes = (minLength: number) => fc.uint8Array({ minLength, maxLength: 40 }).map((array) => Buffer.from(array))
const pages = fc.array(
  fc.array(fc.record({ key: bytes(1), value: bytes(0) }, { noNullPrototype: true }), { minLength: 1, maxLength: 6 }),
  { maxLength: 5 },
)

async function* cutAt(whole: Buffer, sizeBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < whole.length; at += sizeBytes) yield whole.subarray(at, at + sizeBytes)
}

async function encoded(source: readonly KeyValue[][]): Promise<Buffer> {
  async function* walk(): AsyncGenerator<KeyValue[]> {
    yield* source
  }
  return Buffer.concat(await Array.fromAsync(encodePages(walk())))
}

test('the pages of a snapshot arrive as they were, whatever pieces they come in', async () => {
  await fc.assert(
    fc.asyncProperty(pages, fc.integer({ min: 1, max: 100 }), async (source, sizeBytes) => {
      assert.deepEqual(await Array.fromAsync(decodePages(cutAt(await encoded(source), sizeBytes))), source)
    }),
  )
})

test('a snapshot that was cut off anywhere is never taken for a whole one', async () => {
  await fc.assert(
    fc.asyncProperty(pages, fc.nat(), async (source, lost) => {
      const whole = await encoded(source)
      const left = whole.subarray(0, whole.length - 1 - (lost % whole.length))
      await assert.rejects(Array.fromAsync(decodePages(cutAt(left, 16))), (error) => isShoalError(error, 'UNAVAILABLE'))
    }),
  )
})
