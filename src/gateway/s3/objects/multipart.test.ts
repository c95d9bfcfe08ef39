import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { createChecksum } from './checksum.ts'
import { type ObjectServer, type RequestOptions, startObjectServer } from './object-server.suite.ts'

const BUCKET = 'multipart'
const PART = Buffer.alloc(5 * 1024 * 1024, 'p')
const TAIL = Buffer.from('the last part may be short')

let server: ObjectServer

before(async () => {
  server = await startObjectServer()
  await server.volumes.create(BUCKET, {}, { principal: 'root' })
})
after(() => server[Symbol.asyncDispose]())

const send = (method: string, target: string, options?: RequestOptions) => server.request(method, `/${BUCKET}/${target}`, options)
const md5 = (bytes: Buffer): Buffer => createHash('md5').update(bytes).digest()
const one = (text: string, element: string): string | undefined => new RegExp(`<${element}>([^<]*)</${element}>`).exec(text)?.[1]
const codeOf = (answer: { status: number; text: string }) => [answer.status, one(answer.text, 'Code')]

async function begin(key: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await send('POST', `${key}?uploads`, { headers })
  assert.equal(answer.status, 200, answer.text)
  return one(answer.text, 'UploadId') as string
}

async function upload(key: string, id: string, parts: readonly Buffer[]): Promise<string[]> {
  const etags = []
  for (const [index, body] of parts.entries()) {
    const answer = await send('PUT', `${key}?partNumber=${index + 1}&uploadId=${id}`, { body })
    assert.equal(answer.status, 200, answer.text)
    etags.push(answer.headers.get('etag') as string)
  }
  return etags
}

const document = (parts: readonly (readonly [number, string])[]): string =>
  `<CompleteMultipartUpload>${parts
    .map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`)
    .join('')}</CompleteMultipartUpload>`

test('parts become an object, whose completion can be repeated, and which is read part by part', async () => {
  const id = await begin('k', { 'content-type': 'x/y', 'x-amz-meta-a': '1' })
  const etags = await upload('k', id, [PART, TAIL])
  const body = document(etags.map((etag, index) => [index + 1, etag]))
  const listed = await send('GET', `k?uploadId=${id}`)
  assert.equal(listed.text.match(/<Part>/g)?.length, 2)
  const done = await send('POST', `k?uploadId=${id}`, { body })
  const expected = `&quot;${createHash('md5')
    .update(Buffer.concat([md5(PART), md5(TAIL)]))
    .digest('hex')}-2&quot;`
  assert.equal(one(done.text, 'ETag'), expected)
  const again = await send('POST', `k?uploadId=${id}`, { body })
  assert.deepEqual([again.status, one(again.text, 'ETag')], [200, expected])
  const whole = await send('GET', 'k')
  assert.ok(whole.bytes.equals(Buffer.concat([PART, TAIL])))
  assert.deepEqual([whole.headers.get('content-type'), whole.headers.get('x-amz-meta-a')], ['x/y', '1'])
  const second = await send('GET', 'k?partNumber=2')
  assert.deepEqual([second.status, second.text, second.headers.get('x-amz-mp-parts-count')], [206, TAIL.toString(), '2'])
  assert.deepEqual(codeOf(await send('GET', 'k?partNumber=3')), [416, 'InvalidPartNumber'])
})

test('a completion that names other parts than were sent is refused, and the upload goes on', async () => {
  const id = await begin('bad')
  const [first, second, third] = (await upload('bad', id, [PART, TAIL, TAIL])) as [string, string, string]
  const complete = async (parts: [number, string][]) =>
    codeOf(await send('POST', `bad?uploadId=${id}`, { body: document(parts) }))
  assert.deepEqual(
    await complete([
      [2, second],
      [1, first],
    ]),
    [400, 'InvalidPartOrder'],
  )
  assert.deepEqual(await complete([[1, second]]), [400, 'InvalidPart'])
  assert.deepEqual(await complete([[7, first]]), [400, 'InvalidPart'])
  assert.deepEqual(
    await complete([
      [1, first],
      [2, second],
      [3, third],
    ]),
    [400, 'EntityTooSmall'],
  )
  assert.deepEqual(await complete([]), [400, 'MalformedXML'])
  assert.equal((await send('HEAD', 'bad')).status, 404)
  assert.equal((await send('DELETE', `bad?uploadId=${id}`)).status, 204)
  assert.deepEqual(codeOf(await send('GET', `bad?uploadId=${id}`)), [404, 'NoSuchUpload'])
  assert.deepEqual(codeOf(await send('PUT', `bad?partNumber=0&uploadId=${id}`, { body: 'x' })), [400, 'InvalidArgument'])
})

test('a part is copied from another object, whole or a range of it', async () => {
  await send('PUT', 'source', { body: PART })
  const id = await begin('copy')
  const target = (number: number) => `copy?partNumber=${number}&uploadId=${id}`
  const whole = await send('PUT', target(1), { headers: { 'x-amz-copy-source': `${BUCKET}/source` } })
  const range = { 'x-amz-copy-source': `/${BUCKET}/source`, 'x-amz-copy-source-range': 'bytes=0-9' }
  const part = await send('PUT', target(2), { headers: range })
  const beyond = { ...range, 'x-amz-copy-source-range': `bytes=0-${PART.length}` }
  assert.deepEqual(codeOf(await send('PUT', target(3), { headers: beyond })), [416, 'InvalidRange'])
  const etags = [whole, part].map(({ text }) => one(text, 'ETag') as string)
  const done = await send('POST', `copy?uploadId=${id}`, {
    body: document([
      [1, etags[0] as string],
      [2, etags[1] as string],
    ]),
  })
  assert.equal(done.status, 200, done.text)
  assert.ok((await send('GET', 'copy')).bytes.equals(Buffer.concat([PART, PART.subarray(0, 10)])))
})

for (const [algorithm, type] of [
  ['CRC32', 'FULL_OBJECT'],
  ['CRC64NVME', 'FULL_OBJECT'],
  ['SHA256', 'COMPOSITE'],
  ['CRC32C', 'COMPOSITE'],
] as const) {
  test(`an object of parts has a ${algorithm} checksum of type ${type}`, async () => {
    const digest = (bytes: Buffer): Buffer => {
      const hash = createChecksum(algorithm)
      hash.update(bytes)
      return hash.digest()
    }
    const id = await begin('sum', { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type })
    const etags = await upload('sum', id, [PART, TAIL])
    const body = document(etags.map((etag, index) => [index + 1, etag]))
    const done = await send('POST', `sum?uploadId=${id}`, { body })
    const whole = digest(Buffer.concat([PART, TAIL])).toString('base64')
    const composite = `${digest(Buffer.concat([digest(PART), digest(TAIL)])).toString('base64')}-2`
    const expected = type === 'FULL_OBJECT' ? whole : composite
    assert.equal(one(done.text, `Checksum${algorithm}`), expected)
    const head = await send('HEAD', 'sum', { headers: { 'x-amz-checksum-mode': 'ENABLED' } })
    assert.equal(head.headers.get(`x-amz-checksum-${algorithm.toLowerCase()}`), expected)
    const asked = { 'x-amz-object-attributes': 'Checksum,ObjectParts,ObjectSize' }
    const attributes = await send('GET', 'sum?attributes', { headers: asked })
    assert.equal(one(attributes.text, 'PartsCount'), '2')
    assert.ok(attributes.text.includes(`<Checksum${algorithm}>${digest(TAIL).toString('base64')}</Checksum${algorithm}>`))
  })
}

test('uploads under way are listed by key, in pages and with common prefixes', async () => {
  const bucket = 'uploads'
  await server.volumes.create(bucket, {}, { principal: 'root' })
  for (const key of ['b', 'a/1', 'a/2', 'b']) await server.request('POST', `/${bucket}/${key}?uploads`)
  const list = async (query: string) => (await server.request('GET', `/${bucket}?uploads${query}`)).text
  const keys = (text: string) => [...text.matchAll(/<Key>([^<]*)</g)].map((match) => match[1])
  assert.deepEqual(keys(await list('')), ['a/1', 'a/2', 'b', 'b'])
  const grouped = await list('&delimiter=%2F')
  assert.deepEqual([keys(grouped), one(grouped, 'Prefix') ?? ''], [['b', 'b'], 'a/'])
  const first = await list('&max-uploads=3')
  assert.deepEqual([keys(first).length, one(first, 'IsTruncated')], [3, 'true'])
  const next = `&key-marker=${one(first, 'NextKeyMarker')}&upload-id-marker=${one(first, 'NextUploadIdMarker')}`
  assert.deepEqual(keys(await list(next)), ['b'])
})
