import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { request } from 'undici'
import { openFixture, p } from '#volume/volume-fixture.suite.ts'
import type { Fixture } from '#volume/volume-fixture.suite.ts'
import { AUTHORIZATION, startTestServer } from './rest-server.suite.ts'
import type { TestServer } from './rest-server.suite.ts'
import { ROUTES } from './routes.ts'

let fixture: Fixture
let server: TestServer
let keys = 0

before(async () => {
  fixture = await openFixture()
  const { volumes } = fixture
  server = await startTestServer({
    volumes,
    settleRequest: (_, mark, error) => volumes.settleRequest(mark, error),
    remembers: (name) => name !== 'eventual',
  })
})
after(() => server[Symbol.asyncDispose]())

interface Ask {
  readonly method: 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: string
  readonly headers?: Record<string, string>
}

async function send({ method, path, body = '', headers = {} }: Ask, key?: string): Promise<{ status: number; text: string }> {
  const named = key === undefined ? {} : { 'idempotency-key': key }
  const answer = await request(`${server.url}/api/v1/${path}`, {
    method,
    body: body === '' ? null : body,
    headers: { authorization: AUTHORIZATION, 'content-length': String(Buffer.byteLength(body)), ...headers, ...named },
  })
  const text = await answer.body.text()
  return { status: answer.statusCode, text: text.replace(/"requestId":"[^"]*"/, '') }
}

const newKey = (): string => `key-${(keys += 1)}`
const op = (path: string, operation: unknown): Ask => ({
  method: 'POST',
  path: `volumes/docs/entries/${path}`,
  body: JSON.stringify(operation),
})
const put = (path: string, body: string, headers = {}): Ask => ({
  method: 'PUT',
  path: `volumes/docs/files/${path}`,
  body,
  headers,
})
const remove = (path: string, headers = {}): Ask => ({ method: 'DELETE', path: `volumes/docs/files/${path}`, headers })

/** What is asked for, and what somebody else does after it that the same request would undo, or trip over. */
const CASES: Record<string, readonly [Ask, Ask?]> = {
  'a new file': [put('a', 'one', { 'if-none-match': '*' }), put('a', 'two')],
  'a large file': [put('large', 'x'.repeat(2_000_000)), put('large', 'two')],
  'a file by its date': [put('file', 'x', { 'if-unmodified-since': 'Fri, 20 Nov 2099 12:00:00 GMT' }), put('file', 'y')],
  'a removal': [remove('file'), put('file', 'again')],
  'a conditional removal': [remove('file', { 'if-match': '*' })],
  'a removal of a tree': [{ ...remove('tree'), path: 'volumes/docs/files/tree?recursive=true' }],
  'bytes at an offset': [{ method: 'PATCH', path: 'volumes/docs/files/file?offset=1', body: 'xy' }, put('file', 'more')],
  'a directory': [op('directory', { op: 'mkdir' })],
  'a move': [op('file', { op: 'move', to: 'moved' }), put('file', 'another')],
  'a copy': [op('file', { op: 'copy', to: 'copied', replace: false })],
  'a link': [op('file', { op: 'link', to: 'link' })],
  'a fifo': [op('fifo', { op: 'mknod', type: 'fifo' })],
  attributes: [
    op('file', { op: 'attributes', mode: '0600', xattrs: { 'user.a': 'YQ==', 'user.gone': null } }),
    op('file', { op: 'attributes', mode: '0644', xattrs: { 'user.a': 'Yg==' } }),
  ],
  'an upload': [{ method: 'POST', path: 'volumes/docs/uploads', body: '{"path":"up"}' }],
  'a new volume': [{ method: 'PUT', path: 'volumes/fresh', headers: { 'if-none-match': '*' }, body: '{"quotaFiles":7}' }],
  'a volume': [
    { method: 'PUT', path: 'volumes/newer', body: '{}' },
    { method: 'PATCH', path: 'volumes/newer', body: '{"quotaFiles":9}' },
  ],
  'a volume that goes': [
    { method: 'DELETE', path: 'volumes/going' },
    { method: 'PUT', path: 'volumes/going', body: '{}' },
  ],
  'a policy': [
    { method: 'PATCH', path: 'volumes/docs', body: '{"quotaFiles":10000}' },
    { method: 'PATCH', path: 'volumes/docs', body: '{"quotaFiles":20000}' },
  ],
}

for (const [what, [ask, undo]] of Object.entries(CASES))
  test(`${what} that is asked for again by the same key gets the same answer, and changes nothing`, async () => {
    await send(put('file', 'contents'))
    await send(put('tree/in/it', 'contents'))
    await send({ method: 'PUT', path: 'volumes/going', body: '{}' })
    await send(op('file', { op: 'attributes', xattrs: { 'user.gone': 'YQ==' } }))
    const key = newKey()
    const first = await send(ask, key)
    assert.ok(first.status < 300, first.text)
    if (undo !== undefined) assert.ok((await send(undo)).status < 300)
    const cursor = await fixture.volumes.currentCursor()
    assert.deepEqual(await send(ask, key), first)
    assert.equal(await fixture.volumes.currentCursor(), cursor, 'nothing was changed')
  })

test('parts, the commit and the end of an upload that are asked for again get their answers, after it has ended too', async () => {
  const begun = async (): Promise<string> =>
    (JSON.parse((await send({ method: 'POST', path: 'volumes/docs/uploads', body: '{"path":"up/ö"}' })).text) as { id: string })
      .id
  const path = `volumes/docs/uploads/${await begun()}`
  const handed = '0'.repeat(32)
  await server.files.publish(`/handed/${handed}`, [Buffer.from(' more')])
  const asks: Ask[] = [
    { method: 'PUT', path: `${path}/parts/1`, body: 'a part' },
    { method: 'POST', path: `${path}/parts/2/take`, body: JSON.stringify({ pieces: [{ file: handed, offset: 1, length: 4 }] }) },
    { method: 'POST', path: `${path}/commit`, body: '{"size":10}' },
    { method: 'DELETE', path: `volumes/docs/uploads/${await begun()}` },
  ]
  const firsts = []
  for (const [at, ask] of asks.entries()) firsts.push(await send(ask, `upload-${at}`))
  assert.deepEqual(
    firsts.map(({ status }) => status),
    [200, 200, 201, 204],
  )
  for (const [at, ask] of asks.entries()) assert.deepEqual(await send(ask, `upload-${at}`), firsts[at])
})

test('a request that has failed stays failed, although it could be done by now', async () => {
  const key = newKey()
  const ask = op('missing', { op: 'move', to: 'elsewhere' })
  const first = await send(ask, key)
  assert.equal(first.status, 404)
  await send(put('missing', 'here'))
  assert.deepEqual(await send(ask, key), first)
  assert.notEqual(await fixture.volume.stat(p('missing')), undefined)
  assert.equal((await send(ask, newKey())).status, 200)
})

test('a request whose body did not come as it was sent may come again by its key', async () => {
  const key = newKey()
  const digest = { 'x-content-sha256': createHash('sha256').update('right').digest('hex') }
  assert.equal((await send(put('digested', 'wrong', digest), key)).status, 400)
  const first = await send(put('digested', 'right', digest), key)
  assert.equal(first.status, 201)
  assert.deepEqual(await send(put('digested', 'right', digest), key), first)
})

test('a key that was used for another request is refused, and one that can not be one', async () => {
  const key = newKey()
  await send(put('a', 'one'), key)
  for (const other of [put('b', 'one'), put('a', 'longer'), remove('a')]) {
    const { status, text } = await send(other, key)
    assert.equal(status, 400)
    assert.match(text, /Idempotency-Key was used for another request/)
  }
  assert.equal((await send(put('a', 'one'), 'x'.repeat(256))).status, 400)
})

test('where nothing is remembered, a POST that may have come before is refused; one that has not, and any without a key, are not', async () => {
  const ask: Ask = { method: 'POST', path: 'volumes/eventual/entries/a', body: '{"op":"mkdir"}' }
  assert.deepEqual([(await send(ask, newKey())).status, (await send(ask)).status], [501, 404])
  assert.equal((await send({ ...ask, headers: { 'x-shoal-first-try': '1' } }, newKey())).status, 404)
})

test('requests without a key are done each time', async () => {
  const ask = op('twice', { op: 'mkdir' })
  assert.deepEqual([(await send(ask)).status, (await send(ask)).status], [201, 409])
})

test('every route that says so was asked again', () => {
  const remembered = ROUTES.filter(({ isRemembered }) => isRemembered === true).map(({ operation }) => operation)
  assert.deepEqual(remembered.toSorted(), [
    'abortUpload',
    'beginUpload',
    'changeEntry',
    'commitUpload',
    'patchVolume',
    'putVolume',
    'removeFile',
    'removeVolume',
    'takePart',
    'writeFile',
    'writePart',
    'writeRange',
  ])
})
