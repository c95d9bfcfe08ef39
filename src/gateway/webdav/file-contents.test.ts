import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { caller, p, pattern } from '#volume/volume-fixture.suite.ts'
import { authorization, startTestDav } from './webdav-server.suite.ts'

const LARGE = pattern(3_000_000)

test('contents of any size come back as they went, whole and in ranges', async () => {
  await using dav = await startTestDav()
  for (const bytes of [Buffer.alloc(0), Buffer.from('small'), LARGE.subarray(0, 100_000), LARGE]) {
    const path = `/docs/f${bytes.length}`
    const stored = await dav.ask('PUT', path, { body: bytes })
    assert.equal(stored.status, 201)
    const answer = await fetch(`http://127.0.0.1:${dav.port}/dav${path}`, { headers: { Authorization: authorization('ANNE') } })
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes))
    assert.equal(answer.headers.get('etag'), stored.headers.get('etag'))
    const head = await dav.ask('HEAD', path)
    assert.deepEqual([head.status, head.headers.get('content-length'), head.text], [200, String(bytes.length), ''])
  }
  const range = (Range: string, more: Record<string, string> = {}) => dav.ask('GET', '/docs/f5', { headers: { Range, ...more } })
  assert.deepEqual([(await range('bytes=1-2')).status, (await range('bytes=1-2')).text], [206, 'ma'])
  assert.equal((await range('bytes=-2')).headers.get('content-range'), 'bytes 3-4/5')
  const several = await range('bytes=0-0,3-')
  assert.match(several.headers.get('content-type') ?? '', /^multipart\/byteranges/)
  assert.match(several.text, /bytes 0-0\/5\r\n\r\ns\r\n.*bytes 3-4\/5\r\n\r\nll\r\n/s)
  const outside = await range('bytes=9-')
  assert.deepEqual([outside.status, outside.headers.get('content-range')], [416, 'bytes */5'])
  assert.equal((await range('bytes=0-1', { 'If-Range': '"other"' })).status, 200)
})

test('conditions let a reading end early, and a writing go ahead or not', async () => {
  await using dav = await startTestDav()
  const etag = (await dav.ask('PUT', '/docs/f', { body: '1', headers: { 'If-None-Match': '*' } })).headers.get('etag') ?? ''
  assert.equal((await dav.ask('GET', '/docs/f', { headers: { 'If-None-Match': etag } })).status, 304)
  assert.equal((await dav.ask('GET', '/docs/f', { headers: { 'If-Match': '"other"' } })).status, 412)
  assert.equal((await dav.ask('PUT', '/docs/f', { body: '2', headers: { 'If-None-Match': '*' } })).status, 412)
  assert.equal((await dav.ask('PUT', '/docs/g', { body: '2', headers: { 'If-Match': '*' } })).status, 412)
  assert.equal((await dav.ask('PUT', '/docs/f', { body: '2', headers: { 'If-Match': etag } })).status, 204)
  assert.equal((await dav.ask('PUT', '/docs/f', { body: '3', headers: { 'If-Match': etag } })).status, 412)
  const old = { headers: { 'If-Unmodified-Since': 'Sun, 06 Nov 1994 08:49:37 GMT' } }
  assert.equal((await dav.ask('PUT', '/docs/f', { body: '3', ...old })).status, 412)
  assert.equal((await dav.ask('DELETE', '/docs/f', old)).status, 412)
  assert.equal((await dav.ask('DELETE', '/docs/f', { headers: { 'If-Match': etag } })).status, 412)
  assert.equal((await dav.ask('GET', '/docs/f')).text, '2')
  assert.equal((await dav.ask('DELETE', '/docs/f', { headers: { 'If-Match': '*' } })).status, 204)
})

test('a file is stored where a file can be, and whole', async () => {
  await using dav = await startTestDav({ maxBodyBytes: 4_000_000 })
  await dav.fixture.volume.makeDirectory(['dir'], { caller })
  const sha256 = createHash('sha256').update('x').digest('base64')
  const rows: readonly [string, Record<string, string>, number][] = [
    ['/docs/none/x', {}, 409],
    ['/docs/dir', {}, 405],
    ['/docs/', {}, 405],
    ['/docs/new/', {}, 405],
    ['/docs/x', { 'Content-Range': 'bytes 0-0/10' }, 400],
    ['/docs/x', { 'Content-Encoding': 'gzip' }, 501],
    ['/docs/x', { 'Repr-Digest': `sha-256=:${sha256.replace(/^./, 'A')}:` }, 400],
    ['/docs/x', { 'X-OC-Mtime': 'yesterday' }, 400],
    ['/docs/x', { 'X-Expected-Entity-Length': 'x' }, 400],
    ['/docs/x', { 'Repr-Digest': `sha-256=:${sha256}:` }, 201],
  ]
  for (const [path, headers, status] of rows)
    assert.equal((await dav.ask('PUT', path, { body: 'x', headers })).status, status, `${path} ${JSON.stringify(headers)}`)
  assert.equal((await dav.ask('PUT', '/docs/large', { body: Buffer.alloc(4_000_001) })).status, 413)
  assert.equal((await dav.ask('GET', '/docs/large')).status, 404)
})

test("clients' own ways: macOS' chunks with their length in a header, ownCloud's time", async () => {
  await using dav = await startTestDav()
  const head = `Host: x\r\nAuthorization: ${authorization('ANNE')}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n`
  const finder = (expected: number) =>
    dav.raw(`PUT /dav/docs/f HTTP/1.1\r\n${head}X-Expected-Entity-Length: ${expected}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`)
  assert.match(await finder(6), /^HTTP\/1.1 400 /)
  assert.equal((await dav.ask('HEAD', '/docs/f')).status, 404)
  assert.match(await finder(5), /^HTTP\/1.1 201 /)
  assert.equal((await dav.ask('GET', '/docs/f')).text, 'hello')
  const timed = await dav.ask('PUT', '/docs/f', { body: 'x', headers: { 'X-OC-Mtime': '1000000000' } })
  assert.equal(timed.headers.get('x-oc-mtime'), 'accepted')
  assert.equal((await dav.fixture.volume.stat(p('f')))?.mtimeNs, 1_000_000_000n * 1_000_000_000n)
})

test('a 100 is sent when all but the body is well, and not before', async () => {
  await using dav = await startTestDav()
  const put = (path: string) =>
    dav.raw(
      `PUT /dav/docs/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization('ANNE')}\r\nConnection: close\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx`,
    )
  assert.match(await put('f'), /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /)
  assert.match(await put('none/f'), /^HTTP\/1.1 409 /)
})

test('what is stored is never run as a page of the node', async () => {
  await using dav = await startTestDav()
  await dav.ask('PUT', '/docs/page.html', { body: '<script>alert(1)</script>' })
  const { headers } = await dav.ask('GET', '/docs/page.html')
  assert.equal(headers.get('content-type'), 'text/html')
  assert.match(headers.get('content-security-policy') ?? '', /^sandbox;/)
  assert.equal(headers.get('x-content-type-options'), 'nosniff')
})
