import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { startObjectServer } from './objects/object-server.suite.ts'
import type { ObjectServer } from './objects/object-server.suite.ts'

const KEY = randomBytes(32)
const BYTES = randomBytes(5 * 1024 * 1024 + 7)

function customer(key: Buffer, prefix = 'x-amz-server-side-encryption-customer-'): Record<string, string> {
  const md5 = createHash('md5').update(key).digest('base64')
  return { [`${prefix}algorithm`]: 'AES256', [`${prefix}key`]: key.toString('base64'), [`${prefix}key-md5`]: md5 }
}

const source = (key: Buffer) => customer(key, 'x-amz-copy-source-server-side-encryption-customer-')
const NODE = { 'x-amz-server-side-encryption': 'AES256' }
const codeOf = (text: string): string => /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? ''

async function open(): Promise<ObjectServer> {
  const server = await startObjectServer()
  assert.equal((await server.request('PUT', '/bucket')).status, 200)
  return server
}

test('what is encrypted by a key of the client is read with that key alone', async () => {
  await using server = await open()
  const put = await server.request('PUT', '/bucket/a', { body: BYTES, headers: customer(KEY) })
  assert.equal(put.status, 200)
  assert.equal(put.headers.get('x-amz-server-side-encryption-customer-algorithm'), 'AES256')
  assert.notEqual(put.headers.get('etag'), `"${createHash('md5').update(BYTES).digest('hex')}"`)
  const read = (headers: Record<string, string>, method = 'GET') => server.request(method, '/bucket/a', { headers })
  assert.deepEqual((await read(customer(KEY))).bytes, BYTES)
  assert.deepEqual((await read({ ...customer(KEY), range: 'bytes=1000-1999' })).bytes, BYTES.subarray(1_000, 2_000))
  assert.equal((await read(customer(KEY), 'HEAD')).headers.get('content-length'), String(BYTES.length))
  for (const headers of [{}, customer(randomBytes(32)), NODE]) {
    assert.equal((await read(headers)).status, 400)
    assert.equal((await read(headers, 'HEAD')).status, 400)
  }
  await server.request('PUT', '/bucket/plain', { body: 'x' })
  assert.equal((await server.request('GET', '/bucket/plain', { headers: customer(KEY) })).status, 400)
})

test('what is wrong with a key is said, and nothing is stored', async () => {
  await using server = await open()
  const whole = customer(KEY)
  const without = (name: string) => Object.fromEntries(Object.entries(whole).filter(([key]) => !key.endsWith(name)))
  const name = 'x-amz-server-side-encryption-customer-'
  const cases: readonly (readonly [Record<string, string>, string])[] = [
    [without('algorithm'), 'InvalidArgument'],
    [without('-key'), 'InvalidArgument'],
    [without('md5'), 'InvalidArgument'],
    [{ ...whole, [`${name}algorithm`]: 'AES128' }, 'InvalidEncryptionAlgorithmError'],
    [{ ...whole, [`${name}key`]: 'c2hvcnQ=' }, 'InvalidArgument'],
    [{ ...whole, [`${name}key-md5`]: 'AAAAAAAAAAAAAAAAAAAAAA==' }, 'InvalidArgument'],
    [{ ...whole, ...NODE }, 'InvalidArgument'],
    [{ 'x-amz-server-side-encryption': 'DES' }, 'InvalidEncryptionAlgorithmError'],
    [{ 'x-amz-server-side-encryption': 'aws:kms' }, 'NotImplemented'],
    [{ ...NODE, 'x-amz-server-side-encryption-aws-kms-key-id': 'x' }, 'InvalidArgument'],
  ]
  for (const [headers, code] of cases) {
    const answer = await server.request('PUT', '/bucket/a', { body: 'x', headers })
    assert.equal(codeOf(answer.text), code, JSON.stringify(headers))
  }
  assert.equal((await server.request('HEAD', '/bucket/a')).status, 404)
})

test('a bucket can ask for encryption, and other doors read what the node encrypts', async () => {
  await using server = await open()
  const document = (algorithm: string) =>
    `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>${algorithm}</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`
  assert.equal(codeOf((await server.request('PUT', '/bucket?encryption', { body: document('aws:kms') })).text), 'NotImplemented')
  assert.equal(codeOf((await server.request('PUT', '/bucket?encryption', { body: document('DES') })).text), 'MalformedXML')
  assert.equal((await server.request('PUT', '/bucket?encryption', { body: document('AES256') })).status, 200)
  assert.ok((await server.request('GET', '/bucket?encryption')).text.includes('<SSEAlgorithm>AES256</SSEAlgorithm>'))
  const put = await server.request('PUT', '/bucket/a', { body: BYTES })
  assert.equal(put.headers.get('x-amz-server-side-encryption'), 'AES256')
  assert.equal(put.headers.get('etag'), `"${createHash('md5').update(BYTES).digest('hex')}"`)
  const got = await server.request('GET', '/bucket/a')
  assert.equal(got.headers.get('x-amz-server-side-encryption'), 'AES256')
  assert.deepEqual(got.bytes, BYTES)
  const file = await (await server.volumes.open('bucket')).openFile(['a'])
  assert.ok(file !== undefined)
  const pieces: Buffer[] = []
  for await (const piece of file.read({ offset: 0, length: BYTES.length })) pieces.push(Buffer.from(piece))
  file.close()
  assert.deepEqual(Buffer.concat(pieces), BYTES)
  assert.equal((await server.request('DELETE', '/bucket?encryption')).status, 204)
  assert.equal((await server.request('PUT', '/bucket/b', { body: 'x' })).headers.get('x-amz-server-side-encryption'), null)
})

test('copies are encrypted as they are asked to be, and need the key of their source', async () => {
  await using server = await open()
  const other = randomBytes(32)
  const kinds: Readonly<Record<string, { put: Record<string, string>; from: Record<string, string> }>> = {
    plain: { put: {}, from: {} },
    node: { put: NODE, from: {} },
    customer: { put: customer(KEY), from: source(KEY) },
  }
  for (const [from, { put, from: opens }] of Object.entries(kinds)) {
    await server.request('PUT', `/bucket/${from}`, { body: BYTES, headers: put })
    for (const [to, wanted] of Object.entries({ plain: {}, node: NODE, customer: customer(other) })) {
      const headers = { 'x-amz-copy-source': `/bucket/${from}`, ...opens, ...wanted }
      const copy = await server.request('PUT', '/bucket/copy', { headers })
      assert.equal(copy.status, 200, `${from} to ${to}: ${copy.text}`)
      const got = await server.request('GET', '/bucket/copy', { headers: to === 'customer' ? customer(other) : {} })
      assert.deepEqual(got.bytes, BYTES, `${from} to ${to}`)
    }
  }
  const headers = { 'x-amz-copy-source': '/bucket/customer' }
  assert.equal((await server.request('PUT', '/bucket/copy', { headers })).status, 400)
  assert.equal((await server.request('PUT', '/bucket/copy', { headers: { ...headers, ...source(other) } })).status, 400)
})

test('each part of an upload needs the key that it was begun with', async () => {
  await using server = await open()
  const begun = await server.request('POST', '/bucket/a?uploads', { headers: customer(KEY) })
  const id = /<UploadId>(\w+)<\/UploadId>/.exec(begun.text)?.[1] ?? ''
  const part = (number: number, headers: Record<string, string>) =>
    server.request('PUT', `/bucket/a?partNumber=${number}&uploadId=${id}`, { body: BYTES, headers })
  assert.equal((await part(1, {})).status, 400)
  assert.equal((await part(1, customer(randomBytes(32)))).status, 400)
  const tags = [await part(1, customer(KEY)), await part(2, customer(KEY))].map(({ headers }) => headers.get('etag'))
  const body = `<CompleteMultipartUpload>${tags.map((tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${tag}</ETag></Part>`).join('')}</CompleteMultipartUpload>`
  const complete = (headers: Record<string, string>) => server.request('POST', `/bucket/a?uploadId=${id}`, { body, headers })
  assert.equal((await complete(customer(randomBytes(32)))).status, 400)
  assert.equal((await complete({})).status, 200)
  const got = await server.request('GET', '/bucket/a', { headers: customer(KEY) })
  assert.deepEqual(got.bytes, Buffer.concat([BYTES, BYTES]))
})

test('who has begun an upload with a checksum brings the key to its end', async () => {
  await using server = await open()
  const begun = await server.request('POST', '/bucket/a?uploads', {
    headers: { ...customer(KEY), 'x-amz-checksum-algorithm': 'CRC32' },
  })
  const id = /<UploadId>(\w+)<\/UploadId>/.exec(begun.text)?.[1] ?? ''
  const part = await server.request('PUT', `/bucket/a?partNumber=1&uploadId=${id}`, { body: 'x', headers: customer(KEY) })
  const sum = part.headers.get('x-amz-checksum-crc32')
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.get('etag')}</ETag><ChecksumCRC32>${sum}</ChecksumCRC32></Part></CompleteMultipartUpload>`
  const complete = (headers: Record<string, string>) => server.request('POST', `/bucket/a?uploadId=${id}`, { body, headers })
  assert.equal((await complete({})).status, 400)
  assert.equal((await complete(customer(KEY))).status, 200)
})
