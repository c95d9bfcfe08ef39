import assert from 'node:assert/strict'
import { test } from 'node:test'
import { caller, p } from '#volume/volume-fixture.suite.ts'
import { authorization, startTestDav, type TestDav } from './webdav-server.suite.ts'

/** A method, an address below /dav, headers, a body; the status and the code that have to come back. */
type Row = readonly [
  name: string,
  request: readonly [method: string, path: string, headers?: Readonly<Record<string, string>>, body?: string],
  status: number,
  code?: string,
]

const bomb = `<!DOCTYPE a [<!ENTITY x "${'ha'.repeat(50)}"><!ENTITY y "${'&x;'.repeat(50)}">]>`
const propfind = (inside: string, before = '') => `${before}<propfind xmlns="DAV:">${inside}</propfind>`
const D0 = { Depth: '0' }

const XML_ROWS: readonly Row[] = [
  ['an entity bomb', ['PROPFIND', '/docs/f', D0, propfind('<prop><a>&y;</a></prop>', bomb)], 400, 'INVALID_ARGUMENT'],
  [
    'an outer entity',
    ['PROPPATCH', '/docs/f', {}, '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'],
    400,
    'INVALID_ARGUMENT',
  ],
  ['a document type in LOCK', ['LOCK', '/docs/f', {}, '<!DOCTYPE lockinfo><lockinfo xmlns="DAV:"/>'], 400, 'INVALID_ARGUMENT'],
  ['too deep a document', ['PROPFIND', '/docs/f', D0, propfind('<prop>'.repeat(100))], 400, 'INVALID_ARGUMENT'],
  ['too many elements', ['PROPFIND', '/docs/f', D0, propfind(`<prop>${'<a/>'.repeat(10_001)}</prop>`)], 400, 'INVALID_ARGUMENT'],
  ['too long a document', ['PROPFIND', '/docs/f', D0, propfind(' '.repeat(300_000))], 413, 'TOO_LARGE'],
  ['no XML', ['PROPFIND', '/docs/f', D0, 'depth=0'], 400, 'INVALID_ARGUMENT'],
  ['JSON', ['PROPPATCH', '/docs/f', {}, '{"set":1}'], 400, 'INVALID_ARGUMENT'],
  ['UTF-16', ['PROPFIND', '/docs/f', D0, '\ufeff<\0a\0/\0>\0'], 400, 'INVALID_ARGUMENT'],
  ['a prefix of nothing', ['PROPFIND', '/docs/f', D0, propfind('<prop><x:a xmlns:x=""/></prop>')], 400, 'INVALID_ARGUMENT'],
  ['another element', ['PROPFIND', '/docs/f', D0, '<propertyupdate xmlns="DAV:"/>'], 400, 'INVALID_ARGUMENT'],
  ['another namespace', ['PROPFIND', '/docs/f', D0, '<propfind xmlns="DAV"><allprop/></propfind>'], 400, 'INVALID_ARGUMENT'],
  ['nothing asked for', ['PROPFIND', '/docs/f', D0, propfind('')], 400, 'INVALID_ARGUMENT'],
  ['two things asked for', ['PROPFIND', '/docs/f', D0, propfind('<allprop/><propname/>')], 400, 'INVALID_ARGUMENT'],
  ['no changes', ['PROPPATCH', '/docs/f', {}, '<propertyupdate xmlns="DAV:"><set/></propertyupdate>'], 400, 'INVALID_ARGUMENT'],
  ['no body of changes', ['PROPPATCH', '/docs/f'], 400, 'INVALID_ARGUMENT'],
  ['MKCOL with a body', ['MKCOL', '/docs/new', {}, '<mkcol xmlns="DAV:"/>'], 415, 'UNSUPPORTED'],
]

const HEADER_ROWS: readonly Row[] = [
  ['an unknown depth', ['PROPFIND', '/docs/f', { Depth: '2' }], 400, 'INVALID_ARGUMENT'],
  ['a depth that DELETE has not', ['DELETE', '/docs/dir', { Depth: '0' }], 400, 'INVALID_ARGUMENT'],
  ['two depths', ['PROPFIND', '/docs/f', { Depth: '0, 1' }], 400, 'INVALID_ARGUMENT'],
  ['infinity at the top', ['PROPFIND', '/', { Depth: 'infinity' }], 403, 'FORBIDDEN'],
  ['an If header that is none', ['PUT', '/docs/f', { If: 'token' }, 'x'], 400, 'INVALID_ARGUMENT'],
  ['an If header with a tag out of the volume', ['PUT', '/docs/f', { If: '</dav/docs/../x> (["a"])' }, 'x'], 400, 'INVALID_PATH'],
  ['an If-Match that is none', ['PUT', '/docs/f', { 'If-Match': 'x' }, 'x'], 400, 'INVALID_ARGUMENT'],
  ['UNLOCK without a token', ['UNLOCK', '/docs/f'], 400, 'INVALID_ARGUMENT'],
  ['UNLOCK with half a token', ['UNLOCK', '/docs/f', { 'Lock-Token': 'opaquelocktoken:x' }], 400, 'INVALID_ARGUMENT'],
  ['UNLOCK with a token of nothing', ['UNLOCK', '/docs/f', { 'Lock-Token': '<x>' }], 409, 'CONFLICT'],
  ['a destination with line ends encoded', ['COPY', '/docs/f', { Destination: '/dav/docs/a%00b' }], 400, 'INVALID_PATH'],
  ['a destination of another scheme', ['COPY', '/docs/f', { Destination: 'file:///dav/docs/x' }], 400, 'INVALID_ARGUMENT'],
  ['a destination elsewhere', ['MOVE', '/docs/f', { Destination: 'https://example.org/dav/docs/x' }], 502, 'FORBIDDEN'],
  ['a destination with slashes alone', ['MOVE', '/docs/f', { Destination: '//dav/docs/x' }], 400, 'INVALID_ARGUMENT'],
  ['credentials that are wrong', ['GET', '/docs/f', { Authorization: 'Basic QU5ORTp3cm9uZw==' }], 401, 'UNAUTHENTICATED'],
]

const PATH_ROWS: readonly Row[] = [
  ['a step up', ['GET', '/docs/%2e%2e/other/'], 400, 'INVALID_PATH'],
  ['a step up at the end', ['DELETE', '/docs/dir/%2e%2E'], 400, 'INVALID_PATH'],
  ['a dot', ['PUT', '/docs/%2e', {}, 'x'], 400, 'INVALID_PATH'],
  ['an encoded slash', ['PUT', '/docs/a%2Fb', {}, 'x'], 400, 'INVALID_PATH'],
  ['NUL', ['PUT', '/docs/a%00', {}, 'x'], 400, 'INVALID_PATH'],
  ['half an encoded byte', ['GET', '/docs/%4'], 400, 'INVALID_PATH'],
  ['too long a name', ['PUT', `/docs/${'n'.repeat(256)}`, {}, 'x'], 400, 'NAME_TOO_LONG'],
  ['too long a path', ['GET', `/docs/${'nnnnnnnn/'.repeat(2_000)}`], 400, 'NAME_TOO_LONG'],
  ['a volume that is none', ['PROPFIND', '/%2e%2e/', D0], 404, 'VOLUME_NOT_FOUND'],
  ['beside the prefix', ['GET', '-other/docs'], 404, 'NOT_FOUND'],
  ['a file as a collection', ['PUT', '/docs/f/x', {}, 'x'], 409],
  ['an unknown method', ['SEARCH', '/docs/f'], 405, 'METHOD_NOT_ALLOWED'],
  ['POST', ['POST', '/docs/f', {}, 'x'], 405, 'METHOD_NOT_ALLOWED'],
  ['PATCH', ['PATCH', '/docs/f', {}, 'x'], 405, 'METHOD_NOT_ALLOWED'],
]

const HEAD = `Host: x\r\nAuthorization: ${authorization('ANNE')}\r\n`

/** What is no whole request, and the status that has to come back. */
const RAW_ROWS: readonly (readonly [string, string, number])[] = [
  ['a body that ends early', `PUT /dav/docs/f HTTP/1.1\r\n${HEAD}Content-Length: 10\r\n\r\nabc`, 408],
  ['two lengths', `PUT /dav/docs/f HTTP/1.1\r\n${HEAD}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc`, 400],
  [
    'a length and chunks',
    `PUT /dav/docs/f HTTP/1.1\r\n${HEAD}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['chunks that are none', `PUT /dav/docs/f HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, 400],
  [
    'more than the length that macOS says',
    `PUT /dav/docs/f HTTP/1.1\r\n${HEAD}Connection: close\r\nX-Expected-Entity-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n`,
    400,
  ],
  ['a step up that is not encoded', `GET /dav/docs/../other/ HTTP/1.1\r\n${HEAD}Connection: close\r\n\r\n`, 400],
  ['a fragment', `DELETE /dav/docs/f#x HTTP/1.1\r\n${HEAD}Connection: close\r\n\r\n`, 400],
  ['a document that never ends', `PROPFIND /dav/docs/f HTTP/1.1\r\n${HEAD}Depth: 0\r\nContent-Length: 100\r\n\r\n<propfind`, 408],
]

/** All that can be seen of the volumes: any change, even one that was undone, moves the cursor of changes. */
async function state({ fixture }: TestDav): Promise<string> {
  const { covering, below } = await fixture.volume.locks.find([])
  return `${await fixture.volumes.currentCursor()} ${covering.length + below.length}`
}

test('bad input has its status and its code, changes nothing, and the server goes on', async (t) => {
  await using dav = await startTestDav()
  await dav.fixture.volume.makeDirectory(p('dir'), { caller })
  await dav.fixture.volume.writeFile(p('f'), Buffer.from('hello'), { caller })
  const before = await state(dav)
  for (const [name, [method, path, headers = {}, body], status, code] of [...XML_ROWS, ...HEADER_ROWS, ...PATH_ROWS]) {
    await t.test(name, async () => {
      const answer = await dav.ask(method, path, { headers, ...(body === undefined ? {} : { body }) })
      assert.equal(answer.status, status, answer.text)
      if (code !== undefined) assert.equal(answer.code, code)
      assert.equal(answer.headers.get('content-type'), 'application/xml; charset=utf-8')
      assert.equal(answer.xml().namespace, 'DAV:')
      assert.equal(await state(dav), before)
    })
  }
  for (const [name, text, status] of RAW_ROWS) {
    await t.test(name, async () => {
      assert.equal((await dav.raw(text)).slice(0, 12), `HTTP/1.1 ${status}`)
      assert.equal(await state(dav), before)
    })
  }
  assert.equal((await dav.ask('GET', '/docs/f')).text, 'hello')
})
