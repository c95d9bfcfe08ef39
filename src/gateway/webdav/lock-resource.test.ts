import assert from 'node:assert/strict'
import { test } from 'node:test'
import { caller, p } from '#volume/volume-fixture.suite.ts'
import { type Answer, type Asking, startTestDav, type TestDav } from './webdav-server.suite.ts'

const lockInfo = (scope: string, owner = '') =>
  `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:${scope}/></D:lockscope><D:locktype><D:write/></D:locktype>${owner}</D:lockinfo>`

async function setUp() {
  const dav = await startTestDav()
  const { volume } = dav.fixture
  for (const path of ['a', 'a/sub']) await volume.makeDirectory(p(path), { caller })
  for (const path of ['a/one', 'a/sub/two', 'file']) await volume.writeFile(p(path), Buffer.from(path), { caller })
  return dav
}

function lock(dav: TestDav, path: string, { headers, ...rest }: Asking & { scope?: string } = {}): Promise<Answer> {
  return dav.ask('LOCK', path, { body: lockInfo(rest.scope ?? 'exclusive'), headers: { Depth: '0', ...headers }, ...rest })
}

const tokenOf = ({ headers }: Answer): string => headers.get('lock-token') ?? 'none'
const put = (dav: TestDav, path: string, If?: string, as = 'ANNE') =>
  dav.ask('PUT', path, { body: 'new', as, headers: If === undefined ? {} : { If } })

test('a lock is shown as it was asked for, and its token opens what it locks to its owner alone', async () => {
  await using dav = await setUp()
  const owner = '<D:owner><D:href>mailto:anne@example.org</D:href> at <x xmlns="urn:y">home</x></D:owner>'
  const answer = await dav.ask('LOCK', '/docs/file', { body: lockInfo('exclusive', owner), headers: { Timeout: 'Second-600' } })
  assert.equal(answer.status, 200)
  const token = tokenOf(answer)
  assert.match(token, /^<opaquelocktoken:[0-9a-f-]{36}>$/)
  assert.match(answer.text, /<D:timeout>Second-600</)
  assert.match(answer.text, /<D:depth>infinity</)
  assert.match(answer.text, /<D:lockroot><D:href>\/dav\/docs\/file</)
  assert.match(answer.text, /mailto:anne@example.org<\/href> at <x xmlns="urn:y">home<\/x><\/owner>/)
  const refused = await put(dav, '/docs/file')
  assert.equal(refused.status, 423)
  assert.match(refused.text, /<D:lock-token-submitted><D:href>\/dav\/docs\/file</)
  assert.equal((await put(dav, '/docs/file', `(${token})`, 'BOB')).status, 423)
  assert.equal((await put(dav, '/docs/file', `(${token})`)).status, 204)
  assert.equal((await put(dav, '/docs/file', `<http://127.0.0.1:${dav.port}/dav/docs/file> (${token})`)).status, 204)
  assert.equal((await put(dav, '/docs/other', `</dav/docs/file> (${token})`)).status, 201)
  const again = await lock(dav, '/docs/file', { as: 'BOB' })
  assert.equal(again.status, 423)
  assert.match(again.text, /<D:no-conflicting-lock><D:href>\/dav\/docs\/file</)
  assert.equal((await dav.ask('UNLOCK', '/docs/file', { headers: { 'Lock-Token': token }, as: 'BOB' })).status, 403)
  assert.equal((await dav.ask('UNLOCK', '/docs/a', { headers: { 'Lock-Token': token } })).status, 409)
  assert.equal((await dav.ask('UNLOCK', '/docs/file', { headers: { 'Lock-Token': token } })).status, 204)
  assert.equal((await put(dav, '/docs/file')).status, 204)
  const gone = await dav.ask('UNLOCK', '/docs/file', { headers: { 'Lock-Token': token } })
  assert.deepEqual([gone.status, /lock-token-matches-request-uri/.test(gone.text)], [409, true])
})

test('a lock on a member is named when its collection can not be changed for it', async () => {
  await using dav = await setUp()
  const token = tokenOf(await lock(dav, '/docs/a/sub/two'))
  for (const [method, headers] of [
    ['DELETE', {}],
    ['MOVE', { Destination: '/dav/docs/x' }],
  ] as const) {
    const refused = await dav.ask(method, '/docs/a', { headers })
    assert.equal(refused.status, 207)
    assert.match(refused.text, /<D:href>\/dav\/docs\/a\/sub\/two<\/D:href><D:status>HTTP\/1.1 423 Locked/)
  }
  const above = await dav.ask('LOCK', '/docs/a', { body: lockInfo('shared'), as: 'BOB' })
  assert.equal(above.status, 207)
  assert.match(above.text, /two<\/D:href><D:status>HTTP\/1.1 423 Locked.*\n.*a<\/D:href><D:status>HTTP\/1.1 424 Failed/)
  const over = await dav.ask('COPY', '/docs/file', { headers: { Destination: '/dav/docs/a' } })
  assert.deepEqual([over.status, over.text.includes('/dav/docs/a/sub/two')], [207, true])
  const If = `</dav/docs/a/sub/two> (${token})`
  assert.equal((await dav.ask('MOVE', '/docs/a', { headers: { Destination: '/dav/docs/x', If } })).status, 201)
  assert.equal((await put(dav, '/docs/x/sub/two')).status, 204, 'a lock does not move along')
})

test('a lock on a free name makes an empty file, which is there until it is removed', async () => {
  await using dav = await setUp()
  const answer = await lock(dav, '/docs/a/new')
  assert.equal(answer.status, 201)
  assert.equal((await dav.ask('GET', '/docs/a/new')).headers.get('content-length'), '0')
  assert.equal((await put(dav, '/docs/a/new')).status, 423)
  assert.equal((await put(dav, '/docs/a/new', `(${tokenOf(answer)})`)).status, 204)
  assert.equal((await lock(dav, '/docs/none/new')).status, 409)
  assert.equal((await dav.ask('DELETE', '/docs/a/new', { headers: { If: `(${tokenOf(answer)})` } })).status, 204)
  assert.equal((await put(dav, '/docs/a/new')).status, 201, 'the lock is gone with the file')
})

test('a deep lock holds for what comes later, and is refreshed through any of it', async () => {
  await using dav = await setUp()
  const answer = await lock(dav, '/docs/a', { headers: { Depth: 'infinity', Timeout: 'Infinite, Second-4100000000' } })
  const If = `(${tokenOf(answer)})`
  assert.match(answer.text, /<D:timeout>Second-86400</)
  assert.equal((await put(dav, '/docs/a/sub/new')).status, 423)
  assert.equal((await dav.ask('MKCOL', '/docs/a/made')).status, 423)
  assert.equal((await dav.ask('MKCOL', '/docs/a/made', { headers: { If } })).status, 201)
  assert.equal((await put(dav, '/docs/a/made/x', `</dav/docs/a> ${If}`)).status, 201)
  const refreshed = await dav.ask('LOCK', '/docs/a/made/x', { headers: { If, Timeout: 'Second-60' } })
  assert.equal(refreshed.status, 200)
  assert.match(refreshed.text, /<D:timeout>Second-60<.*<D:lockroot><D:href>\/dav\/docs\/a</)
  assert.equal(refreshed.headers.get('lock-token'), null)
  assert.equal((await dav.ask('LOCK', '/docs/file', { headers: { If } })).status, 412)
  assert.equal((await dav.ask('LOCK', '/docs/file')).status, 400)
  dav.fixture.clock.advance(61_000)
  assert.equal((await put(dav, '/docs/a/sub/new')).status, 201)
})

test('the If header is judged with any method, against locks and entity tags', async () => {
  await using dav = await setUp()
  const token = tokenOf(await lock(dav, '/docs/file', { scope: 'shared' }))
  const etag = (await dav.ask('HEAD', '/docs/file')).headers.get('etag') ?? ''
  const wrong = '<opaquelocktoken:00000000-0000-4000-8000-000000000000>'
  const rows: readonly [string, number][] = [
    [`(${token} [${etag}])`, 200],
    [`(${token} ["other"])`, 412],
    [`(${token} ["other"]) ([${etag}])`, 200],
    [`(Not ${token})`, 412],
    [`(Not ${wrong})`, 200],
    ['(<DAV:no-lock>)', 412],
    ['(Not <DAV:no-lock>)', 200],
    [`</dav/docs/none> (Not ["x"])`, 200],
    [`<http://elsewhere.example/x> (${token})`, 412],
    [`</dav/other/file> (${token})`, 412],
    ['(', 400],
    ['<file> (["x"])', 400],
  ]
  for (const [If, status] of rows) {
    assert.equal((await dav.ask('GET', '/docs/file', { headers: { If } })).status, status, If)
    const found = await dav.ask('PROPFIND', '/docs/file', { headers: { If, Depth: '0' } })
    assert.equal(found.status, status === 200 ? 207 : status, If)
  }
  assert.equal((await put(dav, '/docs/file', `(${wrong}) (Not <DAV:no-lock>)`)).status, 423)
  assert.equal((await put(dav, '/docs/file', `(${token} [${etag}])`)).status, 204)
  assert.equal((await put(dav, '/docs/file', `(${token} [${etag}])`)).status, 412)
})

test('between volumes the locks of both sides count', async () => {
  await using dav = await setUp()
  const source = tokenOf(await lock(dav, '/docs/file'))
  const target = tokenOf(await lock(dav, '/other/file'))
  const move = (If?: string) =>
    dav.ask('MOVE', '/docs/file', { headers: { Destination: '/dav/other/file', ...(If === undefined ? {} : { If }) } })
  assert.equal((await move()).status, 423)
  assert.equal((await move(`(${source})`)).status, 423)
  assert.equal((await move(`</dav/other/file> (${target})`)).status, 423)
  assert.equal((await move(`</dav/other/file> (${target} ["x"]) </dav/docs/file> (${source} ["x"])`)).status, 412)
  assert.equal((await move(`</dav/docs/file> (${source}) </dav/other/file> (${target})`)).status, 204)
  assert.equal((await put(dav, '/other/file')).status, 423, 'the destination stays locked')
  assert.equal((await dav.ask('HEAD', '/docs/file')).status, 404)
})

test('a body that asks for no lock that there is is refused', async () => {
  await using dav = await setUp()
  const bodies = [
    '<x/>',
    '<lockinfo xmlns="DAV:"/>',
    lockInfo('both'),
    lockInfo('exclusive').replace('D:write', 'D:read'),
    lockInfo('exclusive').replace('<D:exclusive/>', '<D:exclusive/><D:shared/>'),
    lockInfo('exclusive', `<D:owner>${'x'.repeat(5_000)}</D:owner>`),
    'lock it',
  ]
  const statuses = await Promise.all(bodies.map(async (body) => (await dav.ask('LOCK', '/docs/file', { body })).status))
  assert.deepEqual(statuses, [400, 400, 400, 400, 400, 413, 400])
  assert.equal((await lock(dav, '/docs/file', { headers: { Depth: '1' } })).status, 400)
  assert.equal((await dav.ask('UNLOCK', '/docs/file')).status, 400)
})
