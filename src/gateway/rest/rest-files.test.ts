import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { request } from 'undici'
import { restCalls } from './rest-calls.suite.ts'
import { AUTHORIZATION } from './rest-server.suite.ts'

const calls = restCalls()
const { agent, call, put, get } = calls

test('empty files, large files and chunked bodies are stored whole', async () => {
  assert.equal((await put('empty', '')).status, 201)
  const empty = await get('empty')
  assert.deepEqual([empty.status, empty.text, empty.headers['content-length']], [200, '', '0'])
  const large = Buffer.alloc(5_000_001, 'abcdefg')
  assert.equal((await put('large', large)).status, 201)
  const response = await request(`${calls.server.url}/api/v1/volumes/docs/files/large`, {
    dispatcher: agent,
    headers: { authorization: AUTHORIZATION },
  })
  assert.ok(Buffer.from(await response.body.arrayBuffer()).equals(large))
  const chunked = await request(`${calls.server.url}/api/v1/volumes/docs/files/chunked`, {
    method: 'PUT',
    dispatcher: agent,
    headers: { authorization: AUTHORIZATION },
    body: Readable.from(Array.from({ length: 100 }, (_, index) => Buffer.alloc(1000, index))),
  })
  assert.equal(chunked.statusCode, 201)
  assert.equal(((await chunked.body.json()) as { size: number }).size, 100_000)
})

test('one range, several ranges and impossible ranges', async () => {
  await put('range', '0123456789')
  const one = await get('range', { range: 'bytes=2-4' })
  assert.deepEqual([one.status, one.text, one.headers['content-range']], [206, '234', 'bytes 2-4/10'])
  const many = await get('range', { range: 'bytes=0-1,-2' })
  assert.equal(many.status, 206)
  assert.match(String(many.headers['content-type']), /^multipart\/byteranges; boundary=/)
  assert.equal(Number(many.headers['content-length']), many.text.length)
  assert.match(
    many.text,
    /Content-Range: bytes 0-1\/10\r\n\r\n01\r\n--.*\r\nContent-Type: .*\r\nContent-Range: bytes 8-9\/10\r\n\r\n89\r\n--.*--\r\n$/s,
  )
  const none = await get('range', { range: 'bytes=10-' })
  assert.deepEqual([none.status, none.json['code'], none.headers['content-range']], [416, 'RANGE_NOT_SATISFIABLE', 'bytes */10'])
  assert.equal((await get('range', { range: 'bytes=0-,0-,0-' })).status, 200)
  assert.equal((await get('range', { range: 'bytes=0-1', 'if-range': '"other"' })).status, 200)
  const etag = String((await get('range')).headers['etag'])
  assert.equal((await get('range', { range: 'bytes=0-1', 'if-range': etag })).status, 206)
})

test('conditions are judged, for readers and for writers', async () => {
  const { json } = await put('cond', 'v1')
  const etag = String(json['etag'])
  assert.equal((await get('cond', { 'if-none-match': etag })).status, 304)
  assert.equal((await get('cond', { 'if-none-match': `W/${etag}` })).status, 304)
  assert.equal((await get('cond', { 'if-match': '"no"' })).status, 412)
  assert.equal((await get('cond', { 'if-modified-since': 'Fri, 20 Nov 2099 12:00:00 GMT' })).status, 304)
  assert.equal((await put('cond', 'v2', { 'if-none-match': '*' })).status, 412)
  assert.equal((await put('cond', 'v2', { 'if-match': '"no"' })).status, 412)
  assert.equal((await put('cond', 'v2', { 'if-unmodified-since': 'Fri, 20 Nov 2020 12:00:00 GMT' })).status, 412)
  assert.equal((await get('cond')).text, 'v1')
  assert.equal((await put('cond', 'v2', { 'if-match': etag })).status, 200)
  assert.equal((await call('DELETE', '/api/v1/volumes/docs/files/cond', { headers: { 'if-match': etag } })).status, 412)
  assert.equal((await call('DELETE', '/api/v1/volumes/docs/files/cond')).status, 204)
  assert.equal((await get('cond')).status, 404)
})

test('a wrong digest stores nothing, a right one does', async () => {
  const sha256 = createHash('sha256').update('body').digest()
  for (const headers of [
    { 'x-content-sha256': sha256.toString('hex') },
    { 'repr-digest': `sha-256=:${sha256.toString('base64')}:` },
    { 'content-digest': `md5=:AAAA:, sha-256=:${sha256.toString('base64')}:` },
    { 'content-md5': createHash('md5').update('body').digest('base64') },
  ]) {
    assert.equal((await put('digest', 'body', headers as Record<string, string>)).status < 300, true, JSON.stringify(headers))
    const wrong = await put('digest-wrong', 'bodx', headers as Record<string, string>)
    assert.deepEqual([wrong.status, wrong.json['code']], [400, 'DIGEST_MISMATCH'])
    assert.equal((await get('digest-wrong')).status, 404)
  }
})

test('names are bytes: any but NUL can be written, listed and read', async () => {
  const every = Array.from({ length: 255 }, (_, index) => index + 1).filter((byte) => byte !== 0x2f)
  const path = `names/${every.map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')}`
  assert.equal((await put(path, 'x')).status, 201)
  assert.equal((await get(path)).text, 'x')
  const listed = await call('GET', '/api/v1/volumes/docs/entries/names')
  const name = String(listed.json['entries'][0].name)
  assert.ok(name.endsWith('\udcff'))
  assert.equal((await put('a%2fslash//twice', 'y')).json['path'], 'a/slash/twice')
})

test('a reading that meets damage in its middle never ends cleanly', async () => {
  await put('broken-file', 'x'.repeat(100))
  await assert.rejects(get('broken-file'))
  await put('broken', 'short')
  const early = await get('broken')
  assert.deepEqual([early.status, early.json['code']], [500, 'CORRUPT'])
})

test('what is meant for a volume of another id is refused, and changes nothing', async () => {
  const { id } = (await call('GET', '/api/v1/volumes/docs')).json as { id: number }
  const same = { 'x-shoal-volume-id': String(id) }
  const other = { 'x-shoal-volume-id': String(id + 1) }
  assert.equal((await put('meant', 'one', same)).status, 201)
  assert.equal((await get('meant', same)).text, 'one')
  for (const refused of [await get('meant', other), await put('meant', 'two', other), await put('unmeant', 'two', other)])
    assert.deepEqual([refused.status, refused.json['code']], [404, 'VOLUME_NOT_FOUND'])
  assert.deepEqual([(await get('meant')).text, (await get('unmeant')).status], ['one', 404])
})
