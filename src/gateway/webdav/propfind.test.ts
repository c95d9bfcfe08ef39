import assert from 'node:assert/strict'
import { test } from 'node:test'
import { caller, p } from '#volume/volume-fixture.suite.ts'
import { propertiesOf, startTestDav } from './webdav-server.suite.ts'

const DEPTH = (Depth: string) => ({ headers: { Depth } })
const ask = (inside: string) => `<propfind xmlns="DAV:" xmlns:x="urn:x">${inside}</propfind>`

async function setUp() {
  const dav = await startTestDav()
  const { volume } = dav.fixture
  await volume.makeDirectory(['dir'], { caller })
  await volume.makeDirectory(['dir', 'sub'], { caller })
  await volume.writeFile(p('dir/a.txt'), Buffer.from('hello'), { caller })
  await volume.writeFile(p('dir/sub/b'), Buffer.from('x'), { caller })
  return dav
}

test('depth 0 is the resource, 1 its members too, infinity all below', async () => {
  await using dav = await setUp()
  const hrefs = async (path: string, depth?: string) =>
    Object.keys(propertiesOf(await dav.ask('PROPFIND', path, depth === undefined ? {} : DEPTH(depth)))).toSorted()
  assert.deepEqual(await hrefs('/docs/dir', '0'), ['/dav/docs/dir/'])
  assert.deepEqual(await hrefs('/docs/dir', '1'), ['/dav/docs/dir/', '/dav/docs/dir/a.txt', '/dav/docs/dir/sub/'])
  const all = ['/dav/docs/dir/', '/dav/docs/dir/a.txt', '/dav/docs/dir/sub/', '/dav/docs/dir/sub/b']
  assert.deepEqual(await hrefs('/docs/dir', 'infinity'), all)
  assert.deepEqual(await hrefs('/docs/dir/'), all)
  assert.deepEqual(await hrefs('/docs/dir/a.txt', 'infinity'), ['/dav/docs/dir/a.txt'])
  assert.equal((await dav.ask('PROPFIND', '/docs/none', DEPTH('0'))).status, 404)
  assert.equal((await dav.ask('PROPFIND', '/docs/dir/a.txt/x', DEPTH('0'))).status, 404)
})

test('allprop, propname and named properties say what the resource has', async () => {
  await using dav = await setUp()
  const find = async (path: string, body?: string) => {
    const props = propertiesOf(await dav.ask('PROPFIND', path, { ...DEPTH('0'), ...(body === undefined ? {} : { body }) }))
    return Object.values(props)[0] ?? {}
  }
  const names = (all: readonly string[] | undefined) => all?.map((each) => each.replace(/[=(].*/, '')).toSorted()
  const common = ['creationdate', 'displayname', 'getlastmodified', 'lockdiscovery', 'resourcetype', 'supportedlock']
  const ofFile = [...common, 'executable', 'getcontentlength', 'getcontenttype', 'getetag'].toSorted()
  assert.deepEqual(names((await find('/docs/dir/a.txt'))['200']), ofFile)
  assert.deepEqual(await find('/docs/dir/a.txt', ask('<allprop/>')), await find('/docs/dir/a.txt'))
  assert.deepEqual(names((await find('/docs/dir'))['200']), common)
  assert.deepEqual(names((await find('/docs/dir', ask('<propname/>')))['200']), [...common, 'quota-used-bytes'].toSorted())
  const named = ask('<prop><getcontentlength/><getcontenttype/><x:none/><quota-used-bytes/></prop>')
  assert.deepEqual(await find('/docs/dir/a.txt', named), {
    '200': ['getcontentlength=5', 'getcontenttype=text/plain; charset=utf-8'],
    '404': ['none', 'quota-used-bytes'],
  })
  const included = await find('/docs', ask('<allprop/><include><quota-used-bytes/><x:none/></include>'))
  assert.ok(included['200']?.includes('quota-used-bytes=6') && included['200'].includes('displayname=docs'))
  assert.deepEqual(included['404'], ['none'])
})

test('the list of volumes has those that are known, and says which are missing', async () => {
  await using dav = await startTestDav()
  const { volumes } = dav.fixture
  const all = await dav.ask('PROPFIND', '/', DEPTH('1'))
  assert.deepEqual(Object.keys(propertiesOf(all)), ['/dav/', '/dav/docs/', '/dav/other/'])
  assert.equal(all.headers.get('x-shoal-missing'), null)
  const known = (await volumes.list()).filter(({ name }) => name === 'other')
  Object.assign(volumes, { listKnown: async () => ({ volumes: known, missing: 'strong' }) })
  const some = await dav.ask('PROPFIND', '/', DEPTH('1'))
  assert.deepEqual(Object.keys(propertiesOf(some)), ['/dav/', '/dav/other/'])
  const page = await dav.ask('GET', '/')
  assert.ok(page.text.includes('other/') && !page.text.includes('docs/'))
  for (const answer of [some, page]) assert.equal(answer.headers.get('x-shoal-missing'), 'strong')
})

test('a quota tells what is left of it', async () => {
  await using dav = await setUp()
  await dav.fixture.volumes.update('docs', { quotaBytes: 100 }, caller)
  const body = ask('<prop><quota-used-bytes/><quota-available-bytes/></prop>')
  const props = propertiesOf(await dav.ask('PROPFIND', '/docs/', { ...DEPTH('0'), body }))
  assert.deepEqual(props['/dav/docs/'], { '200': ['quota-used-bytes=6', 'quota-available-bytes=94'] })
})

test('links show what they lead to; broken ones and special files are not shown', async () => {
  await using dav = await setUp()
  const { volume } = dav.fixture
  await volume.makeSymlink(p('dir/link'), Buffer.from('a.txt'), { caller })
  await volume.makeSymlink(p('dir/folder'), Buffer.from('sub'), { caller })
  await volume.makeSymlink(p('dir/broken'), Buffer.from('none'), { caller })
  await volume.makeSymlink(p('dir/circle'), Buffer.from('circle'), { caller })
  await volume.makeNode(p('dir/pipe'), { type: 'fifo', mode: 0o644 }, caller)
  const props = propertiesOf(await dav.ask('PROPFIND', '/docs/dir', DEPTH('1')))
  const shown = Object.keys(props).map((href) => href.slice('/dav/docs/dir/'.length))
  assert.deepEqual(shown.toSorted(), ['', 'a.txt', 'folder/', 'link', 'sub/'])
  assert.ok(props['/dav/docs/dir/link']?.['200']?.includes('getcontentlength=5'))
  assert.equal((await dav.ask('GET', '/docs/dir/folder/b')).text, 'x')
  assert.equal((await dav.ask('GET', '/docs/dir/pipe')).status, 404)
  assert.equal((await dav.ask('PROPFIND', '/docs/dir/folder/b', DEPTH('0'))).status, 207)
})

test('a listing of many pages has each entry once; depth infinity is refused for too many', async () => {
  await using dav = await setUp()
  const { volume } = dav.fixture
  await volume.makeDirectory(['many'], { caller })
  const write = (name: string) => volume.writeFile(['many', name], Buffer.from(name), { caller })
  await Promise.all(Array.from({ length: 450 }, (_, index) => write(`f${index}`)))
  const props = propertiesOf(await dav.ask('PROPFIND', '/docs/many', DEPTH('1')))
  assert.equal(Object.keys(props).length, 451)
  assert.equal(Object.keys(propertiesOf(await dav.ask('PROPFIND', '/docs/many', DEPTH('infinity')))).length, 451)
  for (let at = 450; at < 10_000; at += 1_000)
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => write(`g${at + index}`)))
  const refused = await dav.ask('PROPFIND', '/docs', DEPTH('infinity'))
  assert.equal(refused.status, 403)
  assert.match(refused.text, /<D:propfind-finite-depth\/>/)
  assert.equal((await dav.ask('PROPFIND', '/docs', DEPTH('1'))).status, 207)
})

test('the locks of a tree are shown where they hold, and nowhere else', async () => {
  await using dav = await setUp()
  const { locks } = dav.fixture.volume
  const options = { caller: { principal: 'ANNE' }, guard: { lists: [], tokens: [] }, timeoutMs: 60_000 }
  const owner = '<owner xmlns="DAV:"><a>Anne</a></owner>'
  await locks.take(p('dir/sub'), { scope: 'shared', isDeep: true, owner: '' }, options)
  await locks.take(p('dir/a.txt'), { scope: 'exclusive', isDeep: false, owner: `<o>${owner}</o>` }, options)
  await locks.take(p('dir'), { scope: 'shared', isDeep: false, owner: '' }, options)
  const body = ask('<prop><lockdiscovery/></prop>')
  const scopes = async (path: string, depth: string) => {
    const answer = await dav.ask('PROPFIND', path, { ...DEPTH(depth), body })
    assert.equal(answer.text.includes(owner), path === '/docs')
    return Object.fromEntries(
      Object.entries(propertiesOf(answer)).map(([href, found]) => [
        href.slice('/dav/docs'.length),
        [...(found['200']?.[0] ?? '').matchAll(/exclusive|shared/g)].join(),
      ]),
    )
  }
  assert.deepEqual(await scopes('/docs', 'infinity'), {
    '/': '',
    '/dir/': 'shared',
    '/dir/a.txt': 'exclusive',
    '/dir/sub/': 'shared',
    '/dir/sub/b': 'shared',
  })
  assert.deepEqual(await scopes('/docs/dir/sub', '1'), { '/dir/sub/': 'shared', '/dir/sub/b': 'shared' })
})
