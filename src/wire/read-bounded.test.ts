import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBounded } from './read-bounded.ts'

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text)
}

test('a short body is read whole, and one that is too long is given up as soon as it shows', async () => {
  const limits = { maxBytes: 6, what: 'The answer' }
  assert.equal(String(await readBounded(pieces('abc', '', 'def'), limits)), 'abcdef')
  assert.equal((await readBounded(pieces(), limits)).length, 0)
  let isGivenUp = false
  async function* endless(): AsyncGenerator<Buffer> {
    try {
      for (;;) yield Buffer.from('abcd')
    } finally {
      isGivenUp = true
    }
  }
  await assert.rejects(readBounded(endless(), limits), { code: 'TOO_LARGE', message: 'The answer is longer than 6 bytes' })
  assert.ok(isGivenUp)
})
