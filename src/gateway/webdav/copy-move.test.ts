import assert from 'node:assert/strict'
import { test } from 'node:test'
import { caller, p, readAll } from '#volume/volume-fixture.suite.ts'
import { startTestDav, type TestDav } from './webdav-server.suite.ts'

async function setUp() {
  const dav = await startTestDav()
  const { volume } = dav.fixture
  for (const path of ['a', 'a/sub', 'b']) await volume.makeDirectory(p(path), { caller })
  for (const path of ['a/one', 'a/sub/two', 'b/three', 'file']) await volume.writeFile(p(path), Buffer.from(path), { caller })
  await volume.writeXattr(p('a/one'), { name: 'user.x', value: Buffer.from('of one') }, caller)
  return dav
}

const to = (path: string, headers: Record<string, string> = {}) => ({ headers: { Destination: `/dav${path}`, ...headers } })

/** All paths of a volume, files with their contents. */
async function tree({ fixture }: TestDav, name = 'docs'): Promise<string[]> {
  const volume = await fixture.volumes.open(name)
  const { entries } = await volume.list([], { recursive: true })
  return Promise.all(
    entries.map(async ({ path, attributes: { type } }) =>
      type === 'file' ? `${path.join('/')}=${(await readAll(await volume.openFile(path))).toString()}` : `${path.join('/')}/`,
    ),
  )
}

test('a copy is made of a file, of a tree, or with depth 0 of a collection alone', async () => {
  await using dav = await setUp()
  assert.equal((await dav.ask('COPY', '/docs/file', to('/docs/copy'))).status, 201)
  assert.equal((await dav.ask('COPY', '/docs/a/', to('/docs/tree/'))).status, 201)
  assert.equal((await dav.ask('COPY', '/docs/a', to('/docs/bare', { Depth: '0' }))).status, 201)
  const all = await tree(dav)
  for (const path of ['copy=file', 'tree/', 'tree/one=a/one', 'tree/sub/', 'tree/sub/two=a/sub/two', 'bare/', 'a/one=a/one'])
    assert.ok(all.includes(path), path)
  assert.ok(!all.some((path) => path.startsWith('bare/') && path !== 'bare/'))
  assert.equal((await dav.fixture.volume.readXattr(p('tree/one'), 'user.x'))?.toString(), 'of one')
})

test('what is at the destination is replaced as a whole, or with Overwrite F left alone', async () => {
  await using dav = await setUp()
  for (const method of ['COPY', 'MOVE'])
    assert.equal((await dav.ask(method, '/docs/a', to('/docs/b', { Overwrite: 'F' }))).status, 412)
  await dav.fixture.volume.writeXattr(p('file'), { name: 'user.y', value: Buffer.from('old') }, caller)
  assert.equal((await dav.ask('COPY', '/docs/a/one', to('/docs/file'))).status, 204)
  assert.deepEqual(await dav.fixture.volume.listXattrs(p('file')), ['user.x'])
  assert.equal((await dav.ask('COPY', '/docs/a', to('/docs/b'))).status, 204)
  assert.deepEqual((await tree(dav)).filter((path) => path.startsWith('b')), ['b/', 'b/one=a/one', 'b/sub/', 'b/sub/two=a/sub/two']) // prettier-ignore
  assert.equal((await dav.ask('COPY', '/docs/file', to('/docs/b'))).status, 204)
  assert.equal((await dav.ask('COPY', '/docs/a', to('/docs/file'))).status, 204)
  assert.deepEqual((await tree(dav)).filter((path) => /^(b|file)/.test(path)), ['b=a/one', 'file/', 'file/one=a/one', 'file/sub/', 'file/sub/two=a/sub/two']) // prettier-ignore
})

test('a move leaves nothing behind, whatever it replaces', async () => {
  await using dav = await setUp()
  assert.equal((await dav.ask('MOVE', '/docs/a/one', to('/docs/file'))).status, 204)
  assert.equal((await dav.ask('MOVE', '/docs/a', to('/docs/b'))).status, 204)
  assert.deepEqual(await tree(dav), ['b/', 'b/sub/', 'b/sub/two=a/sub/two', 'file=a/one'])
  assert.equal((await dav.ask('MOVE', '/docs/file', to('/docs/b'))).status, 204)
  assert.deepEqual(await tree(dav), ['b=a/one'])
  await dav.fixture.volume.link(p('b'), p('c'), caller)
  assert.equal((await dav.ask('MOVE', '/docs/b', to('/docs/c'))).status, 204)
  assert.equal((await dav.ask('MOVE', '/docs/c', to('/docs/d'))).status, 201)
  assert.deepEqual(await tree(dav), ['d=a/one'])
})

test('between volumes a tree is copied with its times, links and properties, and moved by copying', async () => {
  await using dav = await setUp()
  const { volume, volumes } = dav.fixture
  await volume.makeSymlink(p('a/link'), Buffer.from('one'), { caller })
  await volume.setAttributes(p('a/one'), { mtimeNs: 123_000_000_000n, mode: 0o600 }, caller)
  await volume.writeFile(p('a/large'), Buffer.alloc(3_000_000, 'x'), { caller })
  assert.equal((await dav.ask('COPY', '/docs/a', to('/other/a'))).status, 201)
  const other = await volumes.open('other')
  const one = await other.stat(p('a/one'))
  assert.deepEqual([one?.mtimeNs, one?.mode], [123_000_000_000n, 0o600])
  assert.equal((await other.readXattr(p('a/one'), 'user.x'))?.toString(), 'of one')
  assert.equal((await other.readSymlink(p('a/link'))).toString(), 'one')
  assert.equal((await other.stat(p('a/large')))?.sizeBytes, 3_000_000)
  await volume.remove(p('a/large'), { caller })
  assert.equal((await dav.ask('MOVE', '/docs/a', to('/other/a'))).status, 204)
  assert.deepEqual(await tree(dav, 'other'), ['a/', 'a/link/', 'a/one=a/one', 'a/sub/', 'a/sub/two=a/sub/two'])
  assert.deepEqual(await tree(dav), ['b/', 'b/three=b/three', 'file=file'])
  assert.equal((await dav.ask('MOVE', '/docs/file', to('/other/a/one', { Overwrite: 'F' }))).status, 412)
  assert.equal((await dav.ask('MOVE', '/docs/file', to('/other/a/one'))).status, 204)
  assert.ok((await tree(dav, 'other')).includes('a/one=file'))
})

test('a destination that can not be is refused, and nothing changes', async () => {
  await using dav = await setUp()
  const before = await tree(dav)
  const rows: readonly [string, string, Record<string, string>, number][] = [
    ['COPY', '/docs/none', { Destination: '/dav/docs/x' }, 404],
    ['COPY', '/docs/a', {}, 400],
    ['COPY', '/docs/a', { Destination: '/dav/docs/none/x' }, 409],
    ['MOVE', '/docs/a', { Destination: '/dav/docs/file/x' }, 409],
    ['MOVE', '/docs/a', { Destination: '/dav/docs/a' }, 403],
    ['MOVE', '/docs/a', { Destination: '/dav/docs/a/sub/x' }, 403],
    ['COPY', '/docs/a', { Destination: '/dav/docs/a/sub/x' }, 403],
    ['MOVE', '/docs/a/sub', { Destination: '/dav/docs/a' }, 403],
    ['COPY', '/docs/a', { Destination: '/dav/docs/' }, 403],
    ['COPY', '/docs/a', { Destination: '/dav/' }, 403],
    ['MOVE', '/docs/', { Destination: '/dav/other/x' }, 403],
    ['COPY', '/docs/a', { Destination: '/dav/none/x' }, 404],
    ['COPY', '/docs/a', { Destination: 'http://elsewhere.example/dav/docs/x' }, 502],
    ['COPY', '/docs/a', { Destination: `http://127.0.0.1:1/dav/docs/x` }, 502],
    ['COPY', '/docs/a', { Destination: `http://127.0.0.1:${dav.port}/api/x` }, 502],
    ['COPY', '/docs/a', { Destination: 'docs/x' }, 400],
    ['COPY', '/docs/a', { Destination: '/dav/docs/../x' }, 400],
    ['COPY', '/docs/a', { Destination: '/dav/docs/%2e%2e/x' }, 400],
    ['COPY', '/docs/a', { Destination: '/dav/docs/x?y' }, 400],
    ['COPY', '/docs/a', { Destination: '/dav/docs/a%2Fx' }, 400],
    ['COPY', '/docs/a', { Destination: '/dav/docs/x', Depth: '1' }, 400],
    ['MOVE', '/docs/a', { Destination: '/dav/docs/x', Depth: '0' }, 400],
    ['MOVE', '/docs/a', { Destination: '/dav/docs/x', Overwrite: 'maybe' }, 400],
    ['MOVE', '/docs/a', { Destination: '/dav/docs/x', 'If-Match': '"other"' }, 412],
  ]
  for (const [method, path, headers, status] of rows)
    assert.equal((await dav.ask(method, path, { headers })).status, status, `${method} ${JSON.stringify(headers)}`)
  assert.deepEqual(await tree(dav), before)
  const absolute = `http://127.0.0.1:${dav.port}/dav/docs/x`
  assert.equal((await dav.ask('COPY', '/docs/file', { headers: { Destination: absolute } })).status, 201)
})
