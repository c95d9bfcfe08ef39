import assert from 'node:assert/strict'
import { createHmac, hash } from 'node:crypto'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { RequestBody } from '#gateway/http/request-body.ts'
import { Hmac } from '../auth/hmac.ts'
import { deriveSigningKey } from '../auth/signing-keys.ts'
import type { Seed } from '../auth/verify-signature.ts'
import type { S3Payload } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { ChunkedPayload } from './chunked-payload.ts'
import type { ChunkedFacts } from './chunked-payload.ts'
import { WholePayload } from './whole-payload.ts'

const signingKey = deriveSigningKey('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', {
  date: '20130524',
  region: 'us-east-1',
  service: 's3',
})
const timeAndScope = '20130524T000000Z\n20130524/us-east-1/s3/aws4_request'
const EMPTY = hash('sha256', '')

/** A body that comes in pieces of the given lengths, the last one again and again. */
function bodyOf(bytes: Buffer, cuts: readonly number[] = [bytes.length]): () => Promise<RequestBody> {
  return async () => {
    const body = new RequestBody(new IncomingMessage(new Socket()), {
      lengthBytes: undefined,
      maxBytes: 2 ** 40,
      settled: () => {},
    })
    for (let at = 0, index = 0; at < bytes.length; index += 1) {
      const end = at + Math.max(1, cuts[Math.min(index, cuts.length - 1)] as number)
      body.accept(Buffer.from(bytes.subarray(at, end)))
      at = end
    }
    body.finish()
    return body
  }
}

async function read(payload: S3Payload): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of payload) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

/** The same, into memory of these lengths, the last one again and again. */
async function readFilled(payload: S3Payload, targets: readonly number[]): Promise<Buffer> {
  const filled: Buffer[] = []
  for (let turn = 0; ; turn += 1) {
    const target = Buffer.alloc(targets[Math.min(turn, targets.length - 1)] as number)
    const length = (await payload.fill?.(target)) as number
    filled.push(target.subarray(0, length))
    if (length < target.length) return Buffer.concat(filled)
  }
}

const refused =
  (code: string, text = /./) =>
  (error: unknown) =>
    error instanceof S3Error && error.s3Code === code && text.test(error.message)

function seedOf(signature: string): Seed {
  return { signature, signingKey: new Hmac(signingKey), timeAndScope }
}

function chunked(text: string | Buffer, facts: Partial<ChunkedFacts>, cuts?: readonly number[]): ChunkedPayload {
  return new ChunkedPayload(bodyOf(Buffer.from(text as string, 'latin1'), cuts), {
    lengthBytes: 0,
    seed: undefined,
    hasTrailer: false,
    trailerNames: [],
    ...facts,
  })
}

// The examples of the S3 API reference, "Transferring payload in multiple chunks", without and with trailers.
const DATA = 'a'.repeat(66_560)
const PLAIN_SEED = seedOf('4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9')
const PLAIN = `10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n${DATA.slice(0, 65_536)}\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n${DATA.slice(65_536)}\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n`
const TRAILER_SEED = seedOf('106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e')
const WITH_TRAILER = `10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n${DATA.slice(0, 65_536)}\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n${DATA.slice(65_536)}\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\nx-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n`
const TRAILER_FACTS = { lengthBytes: DATA.length, seed: TRAILER_SEED, hasTrailer: true, trailerNames: ['x-amz-checksum-crc32c'] }

test("AWS's examples of signed chunks are decoded, however they are cut on the way", async () => {
  for (const cuts of [undefined, [700], [85, 4, 65_536, 1, 1, 1], [65_625, 2, 90, 1_024, 1], [16_384]]) {
    assert.equal((await read(chunked(PLAIN, { lengthBytes: DATA.length, seed: PLAIN_SEED }, cuts))).toString(), DATA)
    const payload = chunked(WITH_TRAILER, TRAILER_FACTS, cuts)
    assert.equal((await read(payload)).toString(), DATA)
    assert.deepEqual([...payload.trailers], [['x-amz-checksum-crc32c', 'sOO8/Q==']])
  }
  for (const targets of [[1], [65_536], [66_560], [100_000], [65_530, 7, 1_000_000]]) {
    const payload = chunked(WITH_TRAILER, TRAILER_FACTS, [16_384])
    assert.equal((await readFilled(payload, targets)).toString(), DATA)
    assert.deepEqual([...payload.trailers], [['x-amz-checksum-crc32c', 'sOO8/Q==']])
  }
  const collected = await chunked(PLAIN, { lengthBytes: DATA.length, seed: PLAIN_SEED }).collect()
  assert.equal(collected.toString(), DATA)
})

test('a chunk or trailer that was changed, left out, repeated or swapped is refused', async () => {
  const facts = { lengthBytes: DATA.length, seed: PLAIN_SEED }
  const [first, second, last] = PLAIN.split(/(?<=\r\n)(?=400;|0;)/) as [string, string, string]
  const mismatch = refused('SignatureDoesNotMatch')
  await assert.rejects(read(chunked(PLAIN.replace('aaa', 'aab'), facts)), mismatch)
  for (const targets of [[1_000_000], [1_000]]) {
    await assert.rejects(readFilled(chunked(PLAIN.replace('aaa', 'aab'), facts), targets), mismatch)
    await assert.rejects(readFilled(chunked(WITH_TRAILER.replace('sOO8', 'sOO9'), TRAILER_FACTS), targets), mismatch)
  }
  await assert.rejects(read(chunked(second + last, { ...facts, lengthBytes: 1024 })), mismatch)
  await assert.rejects(read(chunked(second + first + last, facts)), mismatch)
  await assert.rejects(read(chunked(first + second + second + last, { ...facts, lengthBytes: DATA.length + 1024 })), mismatch)
  await assert.rejects(read(chunked(first + last, { ...facts, lengthBytes: 65_536 })), mismatch)
  await assert.rejects(read(chunked(PLAIN, { ...facts, seed: TRAILER_SEED })), mismatch)
  await assert.rejects(read(chunked(WITH_TRAILER.replace('sOO8', 'sOO9'), TRAILER_FACTS)), mismatch)
  await assert.rejects(
    read(chunked(WITH_TRAILER.replace(/x-amz-trailer-sig.*\r\n/, ''), TRAILER_FACTS)),
    refused('MalformedTrailerError'),
  )
  await assert.rejects(
    read(chunked(WITH_TRAILER.replace(/x-amz-checksum.*\r\n/, ''), TRAILER_FACTS)),
    refused('MalformedTrailerError', /announced/),
  )
  await assert.rejects(
    read(chunked(PLAIN.replaceAll(/;chunk-signature=[0-9a-f]+/g, ''), facts)),
    refused('InvalidRequest', /no signature/),
  )
})

test('what is cut off, longer or shorter than announced, or no chunk at all is refused', async () => {
  const unsigned = (text: string, lengthBytes: number) => read(chunked(text, { lengthBytes }))
  assert.equal((await unsigned('3\r\nabc\r\n0\r\n\r\n', 3)).toString(), 'abc')
  assert.equal((await unsigned('0\r\n\r\n', 0)).length, 0)
  await assert.rejects(unsigned('3\r\nabc\r\n', 3), refused('IncompleteBody'))
  await assert.rejects(unsigned('3\r\nab', 3), refused('IncompleteBody'))
  await assert.rejects(readFilled(chunked('3\r\nab', { lengthBytes: 3 }), [8]), refused('IncompleteBody'))
  await assert.rejects(readFilled(chunked('3\r\nabc\r\n', { lengthBytes: 3 }), [3, 1]), refused('IncompleteBody'))
  await assert.rejects(unsigned('3\r\nabc\r\n0\r\n\r\n', 4), refused('IncompleteBody', /lack 1/))
  await assert.rejects(unsigned('3\r\nabc\r\n0\r\n\r\n', 2), refused('IncompleteBody', /longer/))
  await assert.rejects(unsigned('ffffffffffffffff\r\nabc\r\n0\r\n\r\n', 3), refused('InvalidChunkSizeError'))
  await assert.rejects(unsigned('-1\r\nabc\r\n0\r\n\r\n', 3), refused('InvalidChunkSizeError'))
  await assert.rejects(unsigned('3\r\nabcd\r\n0\r\n\r\n', 3), refused('InvalidRequest', /longer than it says/))
  await assert.rejects(unsigned(`3;${'x'.repeat(2000)}\r\nabc\r\n0\r\n\r\n`, 3), refused('InvalidRequest', /no end/))
  await assert.rejects(unsigned('x'.repeat(5000), 3), refused('InvalidRequest', /no end/))
  await assert.rejects(unsigned('3\r\nabc\r\n0\r\n\r\nx-amz-meta-a:1\r\n', 3), refused('InvalidRequest', /behind the last chunk/))
})

test('unsigned trailers are the announced ones, each once', async () => {
  const facts = { lengthBytes: 3, hasTrailer: true, trailerNames: ['x-amz-checksum-crc32'] }
  const withTrailers = (text: string) => chunked(`3\r\nabc\r\n0\r\n${text}\r\n`, facts)
  const payload = withTrailers('x-amz-checksum-crc32: NSRBwg== \r\n')
  await read(payload)
  assert.equal(payload.trailers.get('x-amz-checksum-crc32'), 'NSRBwg==')
  const refusal = refused('MalformedTrailerError')
  await assert.rejects(read(withTrailers('')), refusal)
  await assert.rejects(read(withTrailers('x-amz-checksum-crc32:a\r\nx-amz-checksum-crc32:b\r\n')), refusal)
  await assert.rejects(read(withTrailers('x-amz-checksum-crc32:a\r\nx-amz-acl:public-read\r\n')), refusal)
  await assert.rejects(read(withTrailers('nonsense\r\n')), refusal)
  await assert.rejects(read(withTrailers(`x-amz-checksum-crc32:${'a'.repeat(20_000)}\r\n`)), refusal)
})

test('signed chunks of any lengths, cut anywhere, give the bytes that were signed', async () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 6 })
  const parts = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(lengths, parts, parts, async (sizes, cuts, targets) => {
      let before = EMPTY
      let text = ''
      let data = ''
      for (const [index, size] of [...sizes, 0].entries()) {
        const chunk = String.fromCharCode(97 + index).repeat(size)
        const toSign = `AWS4-HMAC-SHA256-PAYLOAD\n${timeAndScope}\n${before}\n${EMPTY}\n${hash('sha256', chunk)}`
        before = createHmac('sha256', signingKey).update(toSign).digest('hex')
        text += `${size.toString(16)};chunk-signature=${before}\r\n${chunk}\r\n`
        data += chunk
      }
      const facts = { lengthBytes: data.length, seed: seedOf(EMPTY) }
      assert.equal((await read(chunked(text, facts, cuts))).toString(), data)
      assert.equal((await readFilled(chunked(text, facts, cuts), targets)).toString(), data)
    }),
  )
})

test('a payload in one piece is compared with its SHA-256 at its end', async () => {
  const bytes = Buffer.from('hello, world')
  const sha256 = hash('sha256', bytes, 'buffer')
  const whole = (content: Buffer, digest: Buffer | undefined) =>
    new WholePayload(bodyOf(content, [5]), { lengthBytes: content.length, sha256: digest })
  assert.deepEqual(await read(whole(bytes, sha256)), bytes)
  assert.deepEqual(await readFilled(whole(bytes, sha256), [5]), bytes)
  await assert.rejects(readFilled(whole(Buffer.from('Hello, world'), sha256), [12, 1]), refused('XAmzContentSHA256Mismatch'))
  assert.deepEqual(await whole(bytes, sha256).collect(), bytes)
  assert.deepEqual(await read(whole(Buffer.from('else'), undefined)), Buffer.from('else'))
  await assert.rejects(read(whole(Buffer.from('Hello, world'), sha256)), refused('XAmzContentSHA256Mismatch'))
  await assert.rejects(whole(Buffer.from('Hello, world'), sha256).collect(), refused('XAmzContentSHA256Mismatch'))
})
