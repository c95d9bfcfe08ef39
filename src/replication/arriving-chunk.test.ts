import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { idOf, rejectsWith, sampleBytes } from '#chunk/store.suite.ts'
import { ShoalError } from '#foundation/errors.ts'
import { ArrivingChunk } from './arriving-chunk.ts'
import { piecesOf } from './piece-source.suite.ts'

const KIB = 1024

function arrivingFor(bytes: Buffer): ArrivingChunk {
  return new ArrivingChunk(idOf(bytes), Buffer.alloc(bytes.length))
}

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0
  for (const size of [...sizes, bytes.length]) {
    if (at < bytes.length) yield bytes.subarray(at, at + size)
    at += size
  }
}

test('whatever pieces a chunk comes in, it is whole, and every reader gets all of it in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 600 * KIB }),
      fc.array(fc.integer({ min: 1, max: 200 * KIB }), { maxLength: 12 }),
      async (length, sizes) => {
        const bytes = sampleBytes(length)
        const arriving = arrivingFor(bytes)
        const early = Array.fromAsync(arriving.pieces())
        await arriving.fill(piecesOf(cut(bytes, sizes)))
        assert.ok((await arriving.whole()).equals(bytes))
        assert.ok(Buffer.concat(await early).equals(bytes))
        assert.ok(Buffer.concat(await Array.fromAsync(arriving.pieces())).equals(bytes))
      },
    ),
    { numRuns: 60 },
  )
})

test('what has arrived is passed on before the rest is there, uncopied, and a reader that takes nothing holds nobody up', async () => {
  const bytes = sampleBytes(1_024 * KIB)
  const room = Buffer.alloc(bytes.length)
  const arriving = new ArrivingChunk(idOf(bytes), room)
  const { promise: gate, resolve: goOn } = Promise.withResolvers<void>()
  const filled = arriving.fill(
    piecesOf(
      (async function* () {
        yield bytes.subarray(0, 300 * KIB)
        await gate
        yield bytes.subarray(300 * KIB)
      })(),
    ),
  )
  const [quick, slow] = [arriving.pieces(), arriving.pieces()]
  const first = await quick.next()
  assert.equal(first.value?.length, 300 * KIB)
  assert.equal(first.value?.buffer, room.buffer)
  goOn()
  await filled
  assert.equal((await quick.next()).value?.length, 724 * KIB)
  assert.ok(Buffer.concat(await Array.fromAsync(slow)).equals(bytes))
})

test('a chunk that comes with fewer or more bytes than it has, or is cut off, fails for everybody', async () => {
  const bytes = sampleBytes(300 * KIB)
  const failing = async function* (): AsyncGenerator<Buffer> {
    yield bytes.subarray(0, 200 * KIB)
    throw new ShoalError('UNAVAILABLE', 'The connection was lost')
  }
  const cases = [
    ['CORRUPT', cut(bytes.subarray(1), [])],
    ['CORRUPT', cut(Buffer.concat([bytes, bytes.subarray(0, 1)]), [])],
    ['CORRUPT', cut(Buffer.concat([bytes, bytes.subarray(0, 1)]), [300 * KIB])],
    ['UNAVAILABLE', failing()],
  ] as const
  for (const [code, source] of cases) {
    const arriving = arrivingFor(bytes)
    const reader = rejectsWith(code, Array.fromAsync(arriving.pieces()))
    await arriving.fill(piecesOf(source))
    await reader
    await rejectsWith(code, arriving.whole())
  }
})
