import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { ownerId } from '../owner.ts'
import { type ObjectServer, type RequestOptions, startObjectServer } from './object-server.suite.ts'

let server: ObjectServer
let buckets = 0

before(async () => {
  server = await startObjectServer()
})
after(() => server[Symbol.asyncDispose]())

async function newBucket({ versioning }: { versioning?: 'enabled' } = {}): Promise<string> {
  buckets += 1
  const name = `bucket-${buckets}`
  await server.volumes.create(name, { chunkSizeBytes: 1024 * 1024, versioning: versioning ?? 'off' }, { principal: 'root' })
  return name
}

const send = (method: string, target: string, options?: RequestOptions) => server.request(method, target, options)
const md5 = (bytes: string | Buffer): string => createHash('md5').update(bytes).digest('hex')
const all = (text: string, element: string): string[] =>
  [...text.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, 'g'))].map((match) => match[1] as string)
const one = (text: string, element: string): string | undefined => all(text, element)[0]

async function put(bucket: string, key: string, body: string | Buffer, headers: Record<string, string> = {}) {
  const answer = await send('PUT', `/${bucket}/${key}`, { body, headers })
  assert.equal(answer.status, 200, answer.text)
  return answer
}

test('an object comes back with what was said of it', async () => {
  const bucket = await newBucket()
  const headers = {
    'content-type': 'text/plain',
    'cache-control': 'max-age=5',
    'content-encoding': 'aws-chunked, x-own',
    'x-amz-meta-colour': 'blue',
    'x-amz-storage-class': 'STANDARD_IA',
    'x-amz-tagging': 'b=2&a=1%2F',
  }
  const stored = await put(bucket, 'a/b', 'hello', headers)
  assert.equal(stored.headers.get('etag'), `"${md5('hello')}"`)
  const got = await send('GET', `/${bucket}/a/b`)
  assert.deepEqual([got.status, got.text], [200, 'hello'])
  const shown = ['content-type', 'cache-control', 'content-encoding', 'x-amz-meta-colour', 'x-amz-storage-class']
  assert.deepEqual(
    shown.map((name) => got.headers.get(name)),
    ['text/plain', 'max-age=5', 'x-own', 'blue', 'STANDARD_IA'],
  )
  assert.equal(got.headers.get('x-amz-tagging-count'), '2')
  const head = await send('HEAD', `/${bucket}/a/b`)
  assert.deepEqual([head.status, head.headers.get('content-length'), head.text], [200, '5', ''])
  const tags = await send('GET', `/${bucket}/a/b?tagging`)
  assert.deepEqual(
    [all(tags.text, 'Key'), all(tags.text, 'Value')],
    [
      ['a', 'b'],
      ['1/', '2'],
    ],
  )
})

test('ranges, overrides and conditions of a GET', async () => {
  const bucket = await newBucket()
  const etag = (await put(bucket, 'k', '0123456789')).headers.get('etag') as string
  const cases: [Record<string, string>, number, string?][] = [
    [{ range: 'bytes=2-4' }, 206, '234'],
    [{ range: 'bytes=-3' }, 206, '789'],
    [{ range: 'bytes=1-2,4-5' }, 200, '0123456789'],
    [{ range: 'lines=1-2' }, 200, '0123456789'],
    [{ range: 'bytes=10-' }, 416],
    [{ 'if-match': etag }, 200, '0123456789'],
    [{ 'if-match': etag.replaceAll('"', '') }, 200, '0123456789'],
    [{ 'if-match': '"other"' }, 412],
    [{ 'if-none-match': etag }, 304, ''],
    [{ 'if-modified-since': new Date(Date.parse('2099-01-01')).toUTCString() }, 304, ''],
    [{ 'if-unmodified-since': 'Tue, 01 Jan 2019 00:00:00 GMT' }, 412],
    [{ range: 'bytes=0-1', 'if-range': '"other"' }, 200, '0123456789'],
  ]
  for (const [headers, status, text] of cases) {
    const answer = await send('GET', `/${bucket}/k`, { headers })
    assert.equal(answer.status, status, JSON.stringify(headers))
    if (text !== undefined) assert.equal(answer.text, text)
  }
  const shown = await send('GET', `/${bucket}/k?response-content-type=a%2Fb&response-expires=never`)
  assert.deepEqual([shown.headers.get('content-type'), shown.headers.get('expires')], ['a/b', 'never'])
})

test('conditional writes see what is there', async () => {
  const bucket = await newBucket()
  const attempt = async (headers: Record<string, string>) => (await send('PUT', `/${bucket}/k`, { body: 'x', headers })).status
  assert.equal(await attempt({ 'if-match': '"a"' }), 404)
  assert.equal(await attempt({ 'if-none-match': '*' }), 200)
  assert.equal(await attempt({ 'if-none-match': '*' }), 412)
  assert.equal(await attempt({ 'if-match': '"a"' }), 412)
  assert.equal(await attempt({ 'if-match': `"${md5('x')}"` }), 200)
  const removal = await send('DELETE', `/${bucket}/k`, { headers: { 'if-match': '"a"' } })
  assert.equal(removal.status, 412)
  assert.equal((await send('DELETE', `/${bucket}/k`, { headers: { 'if-match': md5('x') } })).status, 204)
})

test('what was announced of a body is compared with it, and nothing is stored if it differs', async () => {
  const bucket = await newBucket()
  const crc = Buffer.alloc(4)
  crc.writeUInt32BE(crc32('hello'))
  const right = crc.toString('base64')
  const cases: [Record<string, string>, string][] = [
    [{ 'content-md5': Buffer.alloc(16).toString('base64') }, 'BadDigest'],
    [{ 'content-md5': 'short' }, 'InvalidDigest'],
    [{ 'x-amz-checksum-crc32': 'AAAAAA==' }, 'BadDigest'],
    [{ 'x-amz-checksum-crc32': right, 'x-amz-checksum-sha1': 'AAAA' }, 'InvalidRequest'],
    [{ 'x-amz-checksum-crc32': right, 'x-amz-sdk-checksum-algorithm': 'SHA1' }, 'InvalidRequest'],
    [{ 'x-amz-sdk-checksum-algorithm': 'MD4' }, 'InvalidRequest'],
    [{ 'x-amz-meta-a': 'x'.repeat(2_048) }, 'MetadataTooLarge'],
    [{ 'x-amz-tagging': 'a=1&a=2' }, 'InvalidTag'],
    [{ 'x-amz-storage-class': 'MARBLE' }, 'InvalidStorageClass'],
  ]
  for (const [headers, code] of cases) {
    const answer = await send('PUT', `/${bucket}/k`, { body: 'hello', headers })
    assert.deepEqual([answer.status, one(answer.text, 'Code')], [400, code], JSON.stringify(headers))
  }
  assert.equal((await send('HEAD', `/${bucket}/k`)).status, 404)
  const stored = await put(bucket, 'k', 'hello', { 'x-amz-checksum-crc32': right })
  assert.equal(stored.headers.get('x-amz-checksum-crc32'), right)
  const plain = await send('HEAD', `/${bucket}/k`)
  assert.equal(plain.headers.get('x-amz-checksum-crc32'), null)
  const asked = await send('HEAD', `/${bucket}/k`, { headers: { 'x-amz-checksum-mode': 'ENABLED' } })
  assert.deepEqual(
    ['x-amz-checksum-crc32', 'x-amz-checksum-type'].map((name) => asked.headers.get(name)),
    [right, 'FULL_OBJECT'],
  )
})

test('a copy keeps or replaces metadata and tags, across buckets, on conditions', async () => {
  const [from, to] = [await newBucket(), await newBucket()]
  await put(from, 'sp%20ace', 'hello', { 'x-amz-meta-a': '1', 'x-amz-tagging': 't=1', 'content-type': 'x/y' })
  const source = { 'x-amz-copy-source': `/${from}/sp%20ace` }
  const copied = await send('PUT', `/${to}/kept`, { headers: source })
  assert.equal(one(copied.text, 'ETag'), `&quot;${md5('hello')}&quot;`)
  const kept = await send('GET', `/${to}/kept`)
  assert.deepEqual(
    [kept.text, kept.headers.get('x-amz-meta-a'), kept.headers.get('content-type'), kept.headers.get('x-amz-tagging-count')],
    ['hello', '1', 'x/y', '1'],
  )
  const replace = { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-tagging-directive': 'REPLACE', 'x-amz-meta-b': '2' }
  await send('PUT', `/${to}/new`, { headers: { ...source, ...replace } })
  const replaced = await send('GET', `/${to}/new`)
  assert.deepEqual(
    ['x-amz-meta-a', 'x-amz-meta-b', 'x-amz-tagging-count'].map((name) => replaced.headers.get(name)),
    [null, '2', null],
  )
  const itself = await send('PUT', `/${from}/sp%20ace`, { headers: source })
  assert.deepEqual([itself.status, one(itself.text, 'Code')], [400, 'InvalidRequest'])
  const changed = { ...source, 'x-amz-copy-source-if-match': '"other"' }
  assert.equal((await send('PUT', `/${to}/no`, { headers: changed })).status, 412)
  const nowhere = { 'x-amz-copy-source': `${from}/none` }
  assert.equal(one((await send('PUT', `/${to}/no`, { headers: nowhere })).text, 'Code'), 'NoSuchKey')
})

test('a request that says whose a bucket is does nothing with the bucket of another', async () => {
  const bucket = await newBucket()
  const [own, other] = [ownerId('root'), ownerId('somebody')]
  const status = async (method: string, key: string, headers: Record<string, string>): Promise<number> =>
    (await send(method, `/${bucket}/${key}`, { headers, ...(method === 'PUT' ? { body: '' } : {}) })).status
  assert.equal(await status('PUT', 'a', { 'x-amz-expected-bucket-owner': other }), 403)
  assert.equal(await status('GET', 'a', { 'x-amz-expected-bucket-owner': own }), 404)
  assert.equal(await status('PUT', 'a', { 'x-amz-expected-bucket-owner': own }), 200)
  const source = { 'x-amz-copy-source': `${bucket}/a` }
  assert.equal(await status('PUT', 'b', { ...source, 'x-amz-source-expected-bucket-owner': other }), 403)
  assert.equal(await status('PUT', 'b', { ...source, 'x-amz-source-expected-bucket-owner': own }), 200)
})

test('several objects are removed in one request, each with its own result', async () => {
  const bucket = await newBucket()
  for (const key of ['a', 'b/c']) await put(bucket, key, 'x')
  const body = '<Delete><Object><Key>a</Key></Object><Object><Key>b/c</Key></Object><Object><Key>none</Key></Object></Delete>'
  const answer = await send('POST', `/${bucket}?delete`, { body })
  assert.deepEqual(all(answer.text, 'Key'), ['a', 'b/c', 'none'])
  assert.deepEqual(all((await send('GET', `/${bucket}?list-type=2`)).text, 'Key'), [])
  assert.equal((await send('POST', `/${bucket}?delete`, { body: '<Delete/>' })).status, 400)
})

test('listings of both versions go on where a page ended, and encode names when asked', async () => {
  const bucket = await newBucket()
  const keys = ['a%20b', 'd/1', 'd/2', 'e%2Bf', 'g']
  for (const key of keys) await put(bucket, key, 'x')
  const first = await send('GET', `/${bucket}?list-type=2&max-keys=2&delimiter=%2F`)
  assert.deepEqual([all(first.text, 'Key'), all(first.text, 'Prefix')], [['a b'], ['', 'd/'].slice(1)])
  assert.deepEqual([one(first.text, 'KeyCount'), one(first.text, 'IsTruncated')], ['2', 'true'])
  const token = encodeURIComponent(one(first.text, 'NextContinuationToken') as string)
  const second = await send('GET', `/${bucket}?list-type=2&delimiter=%2F&continuation-token=${token}&encoding-type=url`)
  assert.deepEqual([all(second.text, 'Key'), one(second.text, 'IsTruncated')], [['e%2Bf', 'g'], 'false'])
  const old = await send('GET', `/${bucket}?max-keys=3`)
  assert.deepEqual([all(old.text, 'Key'), one(old.text, 'NextMarker')], [['a b', 'd/1', 'd/2'], 'd/2'])
  const rest = await send('GET', `/${bucket}?marker=d%2F2&encoding-type=url`)
  assert.deepEqual(all(rest.text, 'Key'), ['e%2Bf', 'g'])
  assert.equal((await send('GET', `/${bucket}?list-type=2&continuation-token=x`)).status, 400)
  assert.equal((await send('GET', `/${bucket}?max-keys=-1`)).status, 400)
})

test('versions are told, read, listed and removed by their ids', async () => {
  const bucket = await newBucket({ versioning: 'enabled' })
  const ids = []
  for (const body of ['1', '22']) ids.push((await put(bucket, 'k', body)).headers.get('x-amz-version-id'))
  const removed = await send('DELETE', `/${bucket}/k`)
  assert.deepEqual([removed.status, removed.headers.get('x-amz-delete-marker')], [204, 'true'])
  const marker = removed.headers.get('x-amz-version-id')
  const gone = await send('GET', `/${bucket}/k`)
  assert.deepEqual([gone.status, gone.headers.get('x-amz-delete-marker'), one(gone.text, 'Code')], [404, 'true', 'NoSuchKey'])
  assert.equal((await send('GET', `/${bucket}/k?versionId=${marker}`)).status, 405)
  assert.equal((await send('GET', `/${bucket}/k?versionId=${ids[0]}`)).text, '1')
  assert.equal((await send('GET', `/${bucket}/k?versionId=00000000000fffff`)).status, 404)
  const listed = await send('GET', `/${bucket}?versions`)
  assert.deepEqual(all(listed.text, 'VersionId'), [marker, ids[1], ids[0]])
  assert.deepEqual(all(listed.text, 'IsLatest'), ['true', 'false', 'false'])
  await send('DELETE', `/${bucket}/k?versionId=${marker}`)
  assert.equal((await send('GET', `/${bucket}/k`)).text, '22')
  const status = await send('GET', `/${bucket}?versioning`)
  assert.equal(one(status.text, 'Status'), 'Enabled')
})

test('tags are put, read and removed, and refused where they break the rules', async () => {
  const bucket = await newBucket()
  await put(bucket, 'k', 'x')
  const tagging = (...tags: string[]) =>
    `<Tagging><TagSet>${tags.map((key) => `<Tag><Key>${key}</Key><Value>v</Value></Tag>`).join('')}</TagSet></Tagging>`
  assert.equal((await send('PUT', `/${bucket}/k?tagging`, { body: tagging('a', 'b') })).status, 200)
  assert.deepEqual(all((await send('GET', `/${bucket}/k?tagging`)).text, 'Key'), ['a', 'b'])
  const many = Array.from({ length: 11 }, (_, index) => `k${index}`)
  for (const tags of [['a', 'a'], [''], ['x'.repeat(129)], many]) {
    const refused = await send('PUT', `/${bucket}/k?tagging`, { body: tagging(...tags) })
    assert.deepEqual([refused.status, one(refused.text, 'Code')], [400, 'InvalidTag'])
  }
  assert.equal((await send('DELETE', `/${bucket}/k?tagging`)).status, 204)
  assert.deepEqual(all((await send('GET', `/${bucket}/k?tagging`)).text, 'Key'), [])
  assert.equal((await send('PUT', `/${bucket}/none?tagging`, { body: tagging('a') })).status, 404)
})
