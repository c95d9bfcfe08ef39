import assert from 'node:assert/strict'
import { test } from 'node:test'
import { propertiesOf, startTestDav } from './webdav-server.suite.ts'

test('OPTIONS says what there is, to anybody and anywhere; all else needs credentials', async () => {
  await using dav = await startTestDav()
  for (const path of ['', '/', '/docs', '/docs/none']) {
    const { status, headers } = await dav.ask('OPTIONS', path, { headers: { Authorization: '' } })
    assert.deepEqual([status, headers.get('dav'), headers.get('ms-author-via')], [200, '1, 2, 3', 'DAV'])
  }
  assert.match((await dav.ask('OPTIONS', '/docs/')).headers.get('allow') ?? '', /PROPFIND.*LOCK.*PUT/)
  for (const method of ['GET', 'PROPFIND', 'PUT', 'LOCK']) {
    const { status, headers, code } = await dav.ask(method, '/docs/x', { headers: { Authorization: '' } })
    assert.deepEqual([status, code], [401, 'UNAUTHENTICATED'])
    assert.match(headers.get('www-authenticate') ?? '', /^Basic realm=/)
  }
})

test('volumes are the collections at the top, which can not be changed', async () => {
  await using dav = await startTestDav()
  const props = propertiesOf(await dav.ask('PROPFIND', '/', { headers: { Depth: '1' } }))
  assert.deepEqual(Object.keys(props), ['/dav/', '/dav/docs/', '/dav/other/'])
  assert.ok(props['/dav/docs/']?.['200']?.includes('resourcetype(collection)'))
  assert.match((await dav.ask('GET', '')).text, /href="\/dav\/docs\/"/)
  assert.equal((await dav.ask('PROPFIND', '/', { headers: { Depth: 'infinity' } })).status, 403)
  for (const method of ['PUT', 'MKCOL', 'DELETE', 'LOCK']) assert.equal((await dav.ask(method, '/')).status, 405)
  assert.equal((await dav.ask('DELETE', '/docs/')).status, 403)
  assert.equal((await dav.ask('MKCOL', '/docs')).status, 405)
  assert.equal((await dav.ask('MKCOL', '/none')).code, 'VOLUME_NOT_FOUND')
  assert.equal((await dav.ask('PROPFIND', '/none/x', { headers: { Depth: '0' } })).status, 404)
})

test('a change that a browser sends for another site is refused', async () => {
  await using dav = await startTestDav()
  const foreign = { headers: { 'Sec-Fetch-Site': 'cross-site' }, body: 'x' }
  assert.equal((await dav.ask('PUT', '/docs/x', foreign)).status, 403)
  assert.equal((await dav.ask('PUT', '/docs/x', { ...foreign, headers: { 'Sec-Fetch-Site': 'same-origin' } })).status, 201)
})

test('names of any bytes have an address, and are found by it', async () => {
  await using dav = await startTestDav()
  const names = ["a b&c#%+;=?'", 'Ü', '🐟', 'a\udcffb', '⁄.', '%41', '<b>', '\u0001']
  const encoded = ['a%20b%26c%23%25%2B%3B%3D%3F%27', '%C3%9C', '%F0%9F%90%9F', 'a%FFb', '%E2%81%84.', '%2541', '%3Cb%3E', '%01']
  for (const [index, path] of encoded.entries()) {
    assert.equal((await dav.ask('PUT', `/docs/${path}`, { body: path })).status, 201)
    assert.equal((await dav.ask('GET', `/docs/${path}`)).text, path)
    assert.ok((await dav.fixture.volume.stat([names[index] as string])) !== undefined, path)
  }
  const hrefs = Object.keys(propertiesOf(await dav.ask('PROPFIND', '/docs', { headers: { Depth: '1' } })))
  const expected = encoded.map((path) => `/dav/docs/${path.replace('%27', "'")}`)
  assert.deepEqual(hrefs.slice(1).toSorted(), expected.toSorted())
  for (const href of hrefs.slice(1)) assert.equal((await dav.ask('HEAD', href.slice(4))).status, 200, href)
  const page = await dav.ask('GET', '/docs/')
  assert.match(page.text, /href="\/dav\/docs\/%3Cb%3E">&lt;b&gt;</)
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/)
})
