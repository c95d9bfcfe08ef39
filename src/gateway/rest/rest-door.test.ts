import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { request } from 'undici'
import { ERROR_STATUS } from '#gateway/http/error-status.ts'
import { batchRecord as record } from './batch-record.suite.ts'
import { restCalls } from './rest-calls.suite.ts'
import { AUTHORIZATION } from './rest-server.suite.ts'
import { ROUTES } from './routes.ts'
import { seeSessions } from './sessions.suite.ts'

const calls = restCalls({ all: true })
const { agent, call, put, get, op } = calls

test('a file comes back byte for byte, with its tag, digest, times and length', async () => {
  const body = Buffer.from('hello, world')
  const written = await put('a/b/hello.txt', body, { 'x-shoal-mode': '0600', 'x-shoal-mtime': '2026-11-20T12:00:00.123456789Z' })
  assert.equal(written.status, 201)
  assert.equal(written.json['path'], 'a/b/hello.txt')
  assert.equal(written.json['mode'], '0600')
  assert.equal(written.json['mtime'], '2026-11-20T12:00:00.123456789Z')
  assert.equal(written.json['sha256'], createHash('sha256').update(body).digest('hex'))
  const read = await get('a/b/hello.txt')
  assert.equal(read.status, 200)
  assert.equal(read.text, 'hello, world')
  assert.equal(read.headers['etag'], written.json['etag'])
  assert.equal(read.headers['content-length'], '12')
  assert.equal(read.headers['last-modified'], 'Fri, 20 Nov 2026 12:00:00 GMT')
  assert.equal(read.headers['x-shoal-mtime'], '1795176000123456789')
  assert.equal(read.headers['repr-digest'], `sha-256=:${createHash('sha256').update(body).digest('base64')}:`)
  assert.match(String(read.headers['x-request-id']), /^[0-9a-f]{10}-/)
  const head = await call('HEAD', '/api/v1/volumes/docs/files/a/b/hello.txt')
  assert.equal(head.status, 200)
  assert.equal(head.text, '')
  assert.equal(head.headers['content-length'], '12')
  assert.equal((await put('a/b/hello.txt', 'again')).status, 200)
})

test('directories are made, listed page by page, and removed', async () => {
  assert.equal((await op('dir', { op: 'mkdir', mode: '0700' })).status, 201)
  assert.equal((await op('dir', { op: 'mkdir' })).json['code'], 'ALREADY_EXISTS')
  for (const name of ['x', 'y', 'z']) await put(`dir/${name}`, name)
  const first = await call('GET', '/api/v1/volumes/docs/entries/dir?limit=2')
  assert.deepEqual(
    first.json['entries'].map((entry: { path: string }) => entry.path),
    ['dir/x', 'dir/y'],
  )
  const second = await call('GET', `/api/v1/volumes/docs/entries/dir?limit=2&cursor=${first.json['next']}`)
  assert.deepEqual(
    second.json['entries'].map((entry: { name: string }) => entry.name),
    ['z'],
  )
  assert.equal(second.json['next'], undefined)
  assert.equal((await call('DELETE', '/api/v1/volumes/docs/files/dir')).json['code'], 'DIRECTORY_NOT_EMPTY')
  assert.equal((await get('dir')).json['code'], 'IS_A_DIRECTORY')
  assert.equal((await call('DELETE', '/api/v1/volumes/docs/files/dir?recursive')).status, 204)
  assert.equal((await call('GET', '/api/v1/volumes/docs/entries/dir')).status, 404)
})

test('access keys are made, listed, changed, rotated and removed', async () => {
  const { accessKey } = (await call('POST', '/api/v1/keys', { body: '{"principal":"alice"}' })).json as { accessKey: string }
  assert.equal((await call('GET', '/api/v1/keys')).json['keys'].length, 1)
  assert.equal((await call('PATCH', `/api/v1/keys/${accessKey}`, { body: '{"enabled":false}' })).json['enabled'], false)
  assert.equal((await call('POST', `/api/v1/keys/${accessKey}/rotate`)).status, 200)
  assert.equal((await call('DELETE', `/api/v1/keys/${accessKey}`)).status, 204)
})

test('classes are made, listed, shown, changed and removed', async () => {
  assert.equal((await call('POST', '/api/v1/classes', { body: '{"name":"two","copies":2}' })).status, 201)
  assert.equal((await call('GET', '/api/v1/classes')).json['classes'].length, 2)
  assert.equal((await call('PATCH', '/api/v1/classes/two', { body: '{"ack":"all"}' })).json['ack'], 'all')
  assert.equal((await call('GET', '/api/v1/classes/two')).status, 200)
  assert.equal((await call('DELETE', '/api/v1/classes/two')).status, 204)
})

test('nodes are listed, shown and removed, tokens made, the key of the gossip rotated', async () => {
  const { nodes } = (await call('GET', '/api/v1/nodes')).json as { nodes: { id: string }[] }
  const id = nodes[1]?.id
  assert.equal((await call('GET', `/api/v1/nodes/${id}`)).json['id'], id)
  for (const word of ['drain', 'readonly', 'activate'])
    assert.equal((await call('POST', `/api/v1/nodes/${id}/${word}`)).status, 200)
  assert.equal((await call('PUT', `/api/v1/nodes/${id}/weight`, { body: '{"weight":2}' })).json['weight'], 2)
  assert.equal((await call('GET', `/api/v1/nodes/${id}/drain`)).status, 200)
  assert.equal((await call('POST', `/api/v1/nodes/${id}/remove`)).status, 204)
  assert.equal((await call('POST', '/api/v1/cluster/tokens', { body: '{"uses":2}' })).status, 201)
  assert.equal((await call('POST', '/api/v1/cluster/rotate-key')).status, 204)
})

test('the tracker is shown, paused, resumed and told to begin', async () => {
  assert.equal((await call('GET', '/api/v1/tracker')).status, 200)
  assert.equal((await call('POST', '/api/v1/tracker/pause')).status, 200)
  assert.equal((await call('POST', '/api/v1/tracker/resume')).status, 200)
  assert.equal((await call('POST', '/api/v1/tracker/run', { body: '{"task":"scrub"}' })).status, 200)
})

test('every operation on entries answers with the entry', async () => {
  await put('ops/a', 'aaaa')
  assert.equal((await op('ops/a', { op: 'move', to: 'ops/b' })).json['path'], 'ops/b')
  assert.equal((await op('ops/b', { op: 'copy', to: 'ops/c' })).status, 201)
  assert.equal((await op('ops/b', { op: 'move', to: 'ops/c', mode: 'no-replace' })).json['code'], 'ALREADY_EXISTS')
  assert.equal((await op('ops', { op: 'move', to: 'ops/in/itself', parents: true })).json['code'], 'MOVE_INTO_ITSELF')
  assert.equal((await op('ops/c', { op: 'link', to: 'ops/d' })).status, 201)
  assert.equal((await op('ops/s', { op: 'symlink', target: 'ops/b' })).json['type'], 'symlink')
  assert.equal((await get('ops/s')).text, 'aaaa')
  const link = await call('GET', '/api/v1/volumes/docs/attributes/ops/s')
  assert.deepEqual([link.json['type'], link.json['target']], ['symlink', 'ops/b'])
  assert.equal((await op('ops/p', { op: 'mknod', type: 'fifo', mode: '0600' })).json['type'], 'fifo')
  const changed = await op('ops/b', { op: 'attributes', mode: '0755', uid: 7, mtime: '1', xattrs: { 'user.x': 'AQI=' } })
  assert.deepEqual(
    [changed.json['mode'], changed.json['uid'], changed.json['mtime']],
    ['0755', 7, '1970-01-01T00:00:00.000000001Z'],
  )
  assert.deepEqual((await call('GET', '/api/v1/volumes/docs/attributes/ops/b?xattrs')).json['xattrs'], { 'user.x': 'AQI=' })
  await op('ops/b', { op: 'attributes', xattrs: { 'user.x': null } })
  assert.deepEqual((await call('GET', '/api/v1/volumes/docs/attributes/ops/b?xattrs')).json['xattrs'], {})
  assert.equal((await op('ops/b', { op: 'truncate', size: 2 })).json['size'], 2)
  assert.equal((await op('ops/b', { op: 'copy-range', from: 'ops/c', offset: 1, length: 3 })).json['size'], 4)
  const patched = await call('PATCH', '/api/v1/volumes/docs/files/ops/b?offset=6', { body: 'zz' })
  assert.deepEqual([patched.status, patched.json['size']], [200, 8])
  assert.equal((await get('ops/b')).text, 'aaaa\0\0zz')
  const located = await get('ops/b?locations')
  assert.equal(located.json['extents'][0].kind, 'inline')
})

test('volumes are made, shown, changed and removed', async () => {
  const made = await call('PUT', '/api/v1/volumes/vol-a', { body: '{"quotaBytes":1000}' })
  assert.deepEqual([made.status, made.json['quotaBytes'], made.json['quotaFiles']], [201, 1000, null])
  assert.equal((await call('PUT', '/api/v1/volumes/vol-a', { body: '{}' })).status, 200)
  assert.equal((await call('PUT', '/api/v1/volumes/vol-a', { body: '{}', headers: { 'if-none-match': '*' } })).status, 412)
  assert.equal((await call('PATCH', '/api/v1/volumes/vol-a', { body: '{"quotaBytes":null}' })).json['quotaBytes'], null)
  const wrong = await call('PUT', '/api/v1/volumes/vol-b', { body: '{"quotaBytez":1}' })
  assert.deepEqual([wrong.status, wrong.json['code'], wrong.json['field']], [400, 'INVALID_ARGUMENT', 'quotaBytez'])
  assert.equal((await call('GET', '/api/v1/volumes/vol-b')).json['code'], 'VOLUME_NOT_FOUND')
  assert.equal((await call('GET', '/api/v1/volumes')).json['volumes'].length, 2)
  await call('PUT', '/api/v1/volumes/vol-a/files/x', { body: 'x' })
  assert.equal((await call('DELETE', '/api/v1/volumes/vol-a')).json['code'], 'VOLUME_NOT_EMPTY')
  assert.equal((await call('DELETE', '/api/v1/volumes/vol-a?force')).status, 204)
})

test('an upload in parts becomes visible with its commit', async () => {
  const begun = await call('POST', '/api/v1/volumes/docs/uploads', { body: '{"path":"up/file"}' })
  assert.equal(begun.status, 201)
  const id = String(begun.json['id'])
  const base = `/api/v1/volumes/docs/uploads/${id}`
  assert.equal((await call('PUT', `${base}/parts/2`, { body: 'world' })).status, 200)
  assert.equal((await call('PUT', `${base}/parts/1`, { body: 'hello ' })).json['number'], 1)
  assert.equal((await call('PUT', `${base}/parts/0`, { body: 'x' })).status, 400)
  assert.equal((await call('GET', base)).json['parts'].length, 2)
  assert.equal((await call('GET', '/api/v1/volumes/docs/uploads')).json['uploads'].length, 1)
  assert.equal((await get('up/file')).status, 404)
  assert.equal((await call('POST', `${base}/commit`, { body: '{"size":99}' })).json['code'], 'UPLOAD_INCOMPLETE')
  assert.equal((await call('POST', `${base}/commit`, { body: '{"size":11}' })).status, 201)
  assert.equal((await get('up/file')).text, 'hello world')
  assert.equal((await call('GET', base)).json['code'], 'UPLOAD_NOT_FOUND')
  assert.equal((await call('DELETE', `/api/v1/volumes/docs/uploads/nonsense`)).json['code'], 'UPLOAD_NOT_FOUND')
  const other = await call('POST', '/api/v1/volumes/docs/uploads', { body: '{"path":"up/other"}' })
  assert.equal((await call('DELETE', `/api/v1/volumes/docs/uploads/${other.json['id']}`)).status, 204)
})

test('a part is taken out of files that were handed over, whose names go with it', async () => {
  const begun = await call('POST', '/api/v1/volumes/docs/uploads', { body: '{"path":"up/handed"}' })
  assert.equal(begun.json['handed'], '/handed')
  const { files } = calls.server
  const base = `/api/v1/volumes/docs/uploads/${begun.json['id']}`
  assert.equal((await call('GET', base)).json['handed'], undefined)
  const [one, two] = ['1'.repeat(32), '2'.repeat(32)]
  const take = (pieces: unknown) => call('POST', `${base}/parts/1/take`, { body: JSON.stringify({ pieces }) })
  const hand = async (): Promise<void> => {
    await files.publish(`/handed/${one}`, [Buffer.from('--hello--')])
    await files.publish(`/handed/${two}`, [Buffer.from('world, ')])
  }
  await hand()
  const pieces = [
    { file: one, offset: 2, length: 5 },
    { file: two, offset: 5, length: 2 },
    { file: two, offset: 0, length: 5 },
  ]
  const first = await take(pieces)
  assert.deepEqual([first.status, first.json['number'], first.json['size']], [200, 1, 12])
  assert.deepEqual(await files.list('/handed'), [])
  assert.equal((await take(pieces)).json['code'], 'NOT_FOUND')
  await hand()
  assert.equal((await take([...pieces, { file: one, offset: 8, length: 2 }])).json['code'], 'INCOMPLETE_BODY')
  for (const file of ['../format.json', `${one}/`, '1', ''])
    assert.equal((await take([{ file, offset: 0, length: 1 }])).json['code'], 'INVALID_ARGUMENT', file)
  assert.equal((await take([])).json['code'], 'INVALID_ARGUMENT')
  assert.equal((await call('POST', `${base}/commit`, { body: '{"size":12}' })).status, 201)
  assert.equal((await get('up/handed')).text, 'hello, world')
  assert.equal((await take(pieces)).json['code'], 'UPLOAD_NOT_FOUND')
})

test('a batch stores each record by itself and answers in their order', async () => {
  const records = [
    record({ path: 'one', size: 3, mode: '0600' }, 'one'),
    record({ path: '../bad', size: 3 }, 'bad'),
    record({ path: 'deep/two', size: 3, sha256: '0'.repeat(64) }, 'two'),
    record({ path: 'sub', type: 'directory' }, ''),
    record({ path: 'link', type: 'symlink', target: 'one' }, ''),
    record({ path: 'huge', size: 1024 * 1024 + 1 }, 'x'.repeat(1024 * 1024 + 1)),
    record({ path: 'typo', siez: 3 }, ''),
    record({ path: 'last', size: 0 }, ''),
  ]
  const answer = await call('POST', '/api/v1/volumes/docs/batch/batch', { body: Buffer.concat(records) })
  assert.equal(answer.status, 200)
  const lines = answer.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    lines.map((line) => line.code ?? line.status),
    [201, 'INVALID_PATH', 'DIGEST_MISMATCH', 201, 201, 'TOO_LARGE', 'INVALID_ARGUMENT', 201],
  )
  assert.equal((await get('batch/one')).text, 'one')
  assert.equal((await get('batch/deep/two')).status, 404)
  const torn = await call('POST', '/api/v1/volumes/docs/batch/torn', {
    body: Buffer.concat([record({ path: 'a', size: 1 }, 'a'), record({ path: 'b', size: 9 }, 'short')]),
  })
  assert.deepEqual(
    torn.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).code ?? JSON.parse(line).status),
    [201, 'INCOMPLETE_BODY'],
  )
  assert.equal((await call('POST', '/api/v1/volumes/docs/batch/none', { body: '' })).text, '')
  assert.equal((await call('POST', '/api/v1/volumes/docs/batch/x', { body: 'nonsense' })).json['code'], 'INVALID_ARGUMENT')
})

test('changes come as lines, as events, and from a cursor', async () => {
  const status = (await call('GET', '/api/v1/status')).json
  assert.equal(status['state'], 'serving')
  const cursor = await calls.server.volumes.currentCursor()
  await put('changes/a', '1')
  await put('changes/a', '2')
  const lines = await call('GET', `/api/v1/changes?cursor=${cursor}&follow=false`)
  const kinds = lines.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .map((change) => [change.kind, change.path, change.by])
  assert.deepEqual(kinds, [
    ['create', 'changes/a', 'root'],
    ['write', 'changes/a', 'root'],
  ])
  const events = await call('GET', `/api/v1/changes?cursor=${cursor}&follow=false`, { headers: { accept: 'text/event-stream' } })
  assert.match(events.text, /^id: \d+\nevent: change\ndata: \{/)
  const old = await call('GET', '/api/v1/changes?cursor=old')
  assert.deepEqual([old.status, old.json['code']], [410, 'CURSOR_TOO_OLD'])
  assert.equal((await call('GET', '/api/v1/changes?volume=nope')).status, 404)
  const asked = await call('POST', `/api/v1/changes?cursor=${cursor}`, { body: '7\n' })
  assert.match(asked.text, /^\{[^\n]*\}\n\{[^\n]*\}\n\{"heard":7\}\n$/)
  assert.equal((await call('POST', '/api/v1/changes?volume=nope', { body: '7\n' })).status, 404)
})

test('a version that was read is named for eventual volumes alone', async () => {
  const write = (base: string) =>
    call('PUT', '/api/v1/volumes/docs/files/based', { body: 'x', headers: { 'x-shoal-base': base } })
  const strong = await write('"1-2"')
  assert.deepEqual([strong.status, strong.json['code']], [501, 'UNSUPPORTED'])
  assert.equal((await write('1-2')).status, 400)
  assert.equal((await call('GET', '/api/v1/volumes/docs/files/based')).status, 404)
})

test('a follower sees a change when it happens', async () => {
  const response = await request(`${calls.server.url}/api/v1/changes`, {
    dispatcher: agent,
    headers: { authorization: AUTHORIZATION },
  })
  assert.equal(response.statusCode, 200)
  assert.equal(typeof response.headers['x-shoal-cursor'], 'string')
  const body = response.body[Symbol.asyncIterator]()
  await put('followed', '1')
  assert.equal(JSON.parse(String((await body.next()).value)).path, 'followed')
  response.body.destroy()
})

test('a session locks a file, is asked about it, and takes its lock along', () => seeSessions(calls))

test('the check of what is stored reports line by line', async () => {
  const answer = await call('POST', '/api/v1/fsck', { body: '{"repair":true}' })
  const lines = answer.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    lines.map((line) => line.kind),
    ['progress', 'finding', 'result'],
  )
  assert.equal(lines[1].repaired, true)
})

test('who has no key, or a wrong one, is turned away', async () => {
  const none = await call('GET', '/api/v1/volumes', { anonymous: true })
  assert.deepEqual([none.status, none.json['code']], [401, 'UNAUTHENTICATED'])
  assert.match(String(none.headers['www-authenticate']), /^Basic realm="shoal"/)
  for (const authorization of [
    'Bearer x',
    'Basic !!!',
    `Basic ${Buffer.from('TESTKEY:wrong').toString('base64')}`,
    `Basic ${Buffer.from('OTHER:test-secret').toString('base64')}`,
  ]) {
    assert.equal((await call('GET', '/api/v1/volumes', { anonymous: true, headers: { authorization } })).status, 401)
  }
  for (const path of ['/healthz', '/readyz', '/api/v1/openapi.json'])
    assert.equal((await call('GET', path, { anonymous: true })).status, 200)
  assert.equal((await call('GET', '/metrics', { anonymous: true })).status, 401)
  assert.equal((await call('POST', '/api/v1/fsck', { headers: { 'sec-fetch-site': 'cross-site' } })).json['code'], 'FORBIDDEN')
})

test('readiness says no while the node drains or its storage has failed', async () => {
  for (const state of ['starting', 'draining', 'storage-failed'] as const) {
    calls.server.state = state
    assert.equal((await call('GET', '/readyz')).status, 503)
  }
  calls.server.state = 'serving'
  assert.equal((await call('GET', '/readyz')).status, 200)
})

test('metrics count requests by door, method and status', async () => {
  const { text } = await call('GET', '/metrics')
  assert.match(text, /shoal_http_requests_total\{door="rest",method="PUT",status="201"\} \d+/)
  assert.match(text, /shoal_http_request_duration_seconds_bucket/)
})

test('unknown paths, methods and parameters have a clear answer', async () => {
  assert.deepEqual(
    [(await call('GET', '/nothing')).status, (await call('GET', '/api/v1/volumes/docs/nothing')).status],
    [404, 404],
  )
  const method = await call('POST', '/api/v1/volumes/docs')
  assert.deepEqual([method.status, method.headers['allow']], [405, 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT'])
  assert.equal((await call('OPTIONS', '/api/v1/volumes/docs')).status, 204)
  const parameter = await call('DELETE', '/api/v1/volumes/docs/files/x?recusive')
  assert.deepEqual([parameter.status, parameter.json['field']], [400, 'recusive'])
})

test('the writes of a strong volume have no conflicts', async () => {
  const asked = { body: JSON.stringify({ op: 'drop', version: 'x' }) }
  for (const answer of [
    await call('GET', '/api/v1/volumes/docs/conflicts'),
    await call('GET', '/api/v1/volumes/docs/conflicts/a'),
    await call('POST', '/api/v1/volumes/docs/conflicts/a', asked),
  ])
    assert.deepEqual([answer.status, answer.json['code']], [501, 'UNSUPPORTED'])
})

test('a backup is read as metadata in one piece, and chunk by chunk', async () => {
  assert.equal((await call('GET', '/api/v1/backup/metadata')).text, 'metadata')
  const chunk = (name: string) => call('GET', `/api/v1/backup/chunks/${name}`)
  assert.equal((await chunk('a'.repeat(64))).text, 'chunk')
  const refused = [await chunk('b'.repeat(64)), await chunk('nonsense')]
  assert.deepEqual(
    refused.map(({ json }) => json['code']),
    ['CHUNK_MISSING', 'INVALID_ARGUMENT'],
  )
})

test('OpenAPI names every route, and docs/rest.md too', async () => {
  const { json } = await call('GET', '/api/v1/openapi.json')
  const document = readFileSync(new URL('../../../docs/rest.md', import.meta.url), 'utf8')
  assert.ok(ROUTES.length > 20)
  for (const route of ROUTES) {
    const operation = json['paths'][route.path.replace('*}', '}')][route.method.toLowerCase()]
    assert.equal(operation.operationId, route.operation)
    const inDocs = route.path
      .replace('/api/v1', '')
      .replace('{volume}', '{v}')
      .replace('{path*}', '{path}')
      .replace('{number}', '{n}')
    const pattern = new RegExp(
      `${route.method}[^|\\n]*${inDocs.replace(/[{}/.]/g, '\\$&')}|${route.method}[^|\\n]*…${inDocs.replace(/^\/volumes\/\{v\}/, '').replace(/[{}/.]/g, '\\$&')}|\`${route.method} …\``,
    )
    assert.match(document, pattern, `docs/rest.md does not name ${route.method} ${inDocs}`)
  }
})

test('every error code has a status', () => {
  for (const [code, status] of Object.entries(ERROR_STATUS)) assert.ok(status >= 400 && status < 600, code)
})
