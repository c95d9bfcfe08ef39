import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import type { S3Payload } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { CheckedBody } from './checked-body.ts'

const BYTES = Buffer.from('hello, world')
const SHA256 = hash('sha256', BYTES, 'buffer')

function payloadOf(bytes: Buffer, trailers: ReadonlyMap<string, string> = new Map()): S3Payload {
  let at = 0
  return {
    lengthBytes: bytes.length,
    sha256: undefined,
    trailerNames: [...trailers.keys()],
    trailers,
    async *[Symbol.asyncIterator]() {
      yield bytes
    },
    async fill(target) {
      const length = Math.min(target.length, bytes.length - at)
      target.set(bytes.subarray(at, at + length))
      at += length
      return length
    },
    release() {},
    collect: async () => bytes,
  }
}

async function fillAll(body: CheckedBody, stepBytes: number): Promise<void> {
  const target = Buffer.alloc(stepBytes)
  for (let length = target.length; length === target.length;) length = (await body.fill?.(target)) as number
}

async function readAll(body: CheckedBody): Promise<void> {
  await Array.fromAsync(body)
}

test('what a payload contains is compared with what was announced at its end, however it is consumed', async () => {
  const consume = [readAll, (body: CheckedBody) => fillAll(body, 5), (body: CheckedBody) => fillAll(body, BYTES.length)]
  const inTrailer = new Map([['x-amz-checksum-sha256', SHA256.toString('base64')]])
  for (const each of consume) {
    const inHeader = new CheckedBody(payloadOf(BYTES), { algorithm: 'SHA256', value: SHA256, isTrailer: false })
    await each(inHeader)
    assert.deepEqual(inHeader.value, SHA256)
    const trailing = new CheckedBody(payloadOf(BYTES, inTrailer), { algorithm: 'SHA256', value: undefined, isTrailer: true })
    await each(trailing)
    assert.deepEqual(trailing.value, SHA256)
    const other = payloadOf(Buffer.from('hello, there'), inTrailer)
    await assert.rejects(each(new CheckedBody(other, { algorithm: 'SHA256', value: undefined, isTrailer: true })), S3Error)
  }
})
