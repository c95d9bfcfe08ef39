import assert from 'node:assert/strict'
import { test } from 'node:test'
import { caller, p } from '#volume/volume-fixture.suite.ts'
import { propertiesOf, startTestDav, type TestDav } from './webdav-server.suite.ts'

const update = (inside: string) =>
  `<d:propertyupdate xmlns:d="DAV:" xmlns:x="urn:x" xmlns:w="urn:schemas-microsoft-com:" xmlns:a="http://apache.org/dav/props/">${inside}</d:propertyupdate>`
const set = (inside: string) => `<d:set><d:prop>${inside}</d:prop></d:set>`
const remove = (inside: string) => `<d:remove><d:prop>${inside}</d:prop></d:remove>`

async function setUp() {
  const dav = await startTestDav()
  await dav.fixture.volume.writeFile(['f'], Buffer.from('f'), { caller })
  await dav.fixture.volume.makeDirectory(['d'], { caller })
  return dav
}

const patch = async (dav: TestDav, path: string, inside: string) =>
  propertiesOf(await dav.ask('PROPPATCH', path, { body: update(inside) }))
const get = (dav: TestDav, path: string, body = '') => dav.ask('PROPFIND', path, { headers: { Depth: '0' }, body })

test('properties come back as they went, on files and collections, and go along with copies and moves', async () => {
  await using dav = await setUp()
  const value = '<x:tags x:k="v&amp;w">one <b xmlns="">two</b> <x:c/>&lt;3 \u{1F41F}</x:tags>'
  for (const path of ['/docs/f', '/docs/d/', '/docs/']) {
    assert.deepEqual(Object.values(await patch(dav, path, set(value) + set('<x:colour>blue</x:colour>'))), [
      { '200': ['tags', 'colour'] },
    ])
    const found = (await get(dav, path)).xml()
    const props = found.children[0]?.children[1]?.children[0]?.children ?? []
    const tags = props.find(({ name }) => name === 'tags')
    assert.deepEqual([...(tags?.attributes ?? [])], [['{urn:x}k', 'v&w']])
    assert.deepEqual(tags?.content.map((piece) => (typeof piece === 'string' ? piece : [piece.name, piece.namespace, piece.text])), ['one ', ['b', '', 'two'], ' ', ['c', 'urn:x', ''], '<3 🐟']) // prettier-ignore
  }
  await dav.ask('COPY', '/docs/f', { headers: { Destination: '/dav/other/copy' } })
  await dav.ask('MOVE', '/docs/f', { headers: { Destination: '/dav/docs/moved' } })
  for (const path of ['/other/copy', '/docs/moved']) assert.match((await get(dav, path)).text, />blue</)
  const listed = await dav.ask('PROPFIND', '/docs/', { headers: { Depth: '1' } })
  assert.equal([...listed.text.matchAll(/>blue</g)].length, 3)
})

test('changes take effect in their order, all or none', async () => {
  await using dav = await setUp()
  await patch(dav, '/docs/f', set('<x:a>1</x:a><x:b>2</x:b>') + remove('<x:a/><x:none/>') + set('<x:b>3</x:b>'))
  assert.match((await get(dav, '/docs/f')).text, /<b xmlns="urn:x">3</)
  assert.doesNotMatch((await get(dav, '/docs/f')).text, /<a xmlns="urn:x">/)
  const protectedOnes = '<d:getetag>"x"</d:getetag><d:quota-used-bytes/><d:lockdiscovery/>'
  assert.deepEqual(await patch(dav, '/docs/f', set(`<x:c>4</x:c>${protectedOnes}`) + remove('<x:b/>')), {
    '/dav/docs/f': { '424': ['c', 'b'], '403': ['getetag', 'quota-used-bytes', 'lockdiscovery'] },
  })
  const { text } = await get(dav, '/docs/f')
  assert.ok(/<b xmlns="urn:x">3</.test(text) && !/<c xmlns/.test(text))
})

test('all properties of a resource together have 64 KiB', async () => {
  await using dav = await setUp()
  assert.deepEqual(await patch(dav, '/docs/f', set(`<x:a>${'x'.repeat(60_000)}</x:a>`)), { '/dav/docs/f': { '200': ['a'] } })
  assert.deepEqual(await patch(dav, '/docs/f', remove('<x:n/>') + set(`<x:b>${'x'.repeat(10_000)}</x:b>`)), {
    '/dav/docs/f': { '424': ['n'], '507': ['b'] },
  })
  assert.doesNotMatch((await get(dav, '/docs/f')).text, /<b xmlns/)
  const large = await dav.ask('PROPPATCH', '/docs/f', { body: update(set(`<x:b>${'x'.repeat(300_000)}</x:b>`)) })
  assert.equal(large.status, 413)
})

test('some properties mean something: a name to show, an executable bit, the time that Windows sets', async () => {
  await using dav = await setUp()
  await patch(dav, '/docs/f', set('<d:displayname>My file</d:displayname><a:executable>T</a:executable>'))
  const shown = await get(dav, '/docs/f')
  assert.equal([...shown.text.matchAll(/<(?:\w+:)?displayname/g)].length, 1)
  assert.match(shown.text, />My file</)
  assert.match(shown.text, />T<\/executable>/)
  assert.equal((await dav.fixture.volume.stat(['f']))?.mode, 0o755)
  await patch(dav, '/docs/f', set('<a:executable>F</a:executable>'))
  assert.equal((await dav.fixture.volume.stat(['f']))?.mode, 0o644)
  assert.deepEqual(await patch(dav, '/docs/f', set('<a:executable>maybe</a:executable>')), { '/dav/docs/f': { '403': ['executable'] } }) // prettier-ignore
  const time = 'Sun, 06 Nov 1994 08:49:37 GMT'
  await patch(dav, '/docs/f', set(`<w:Win32LastModifiedTime>${time}</w:Win32LastModifiedTime><w:Win32FileAttributes>00000020</w:Win32FileAttributes>`)) // prettier-ignore
  assert.equal((await dav.fixture.volume.stat(['f']))?.mtimeNs, BigInt(Date.parse(time)) * 1_000_000n)
  const { text } = await get(dav, '/docs/f')
  assert.ok(text.includes(`<D:getlastmodified>${time}<`) && text.includes('>00000020<'))
})

test('the language of a property is kept, also where it is said further out', async () => {
  await using dav = await setUp()
  await patch(dav, '/docs/f', '<d:set xml:lang="de"><d:prop><x:a>Hallo</x:a></d:prop></d:set>')
  assert.match((await get(dav, '/docs/f')).text, /<a xmlns="urn:x" xml:lang="de">Hallo</)
})

test('what others wrote in place of properties harms nothing', async () => {
  await using dav = await setUp()
  for (const value of ['<broken', '', '<a/></D:multistatus>', '\xff']) {
    await dav.fixture.volume.writeXattr(p('f'), { name: 'user.webdav.properties', value: Buffer.from(value, 'latin1') }, caller)
    assert.equal(Object.keys(propertiesOf(await get(dav, '/docs/f'))).length, 1, value)
  }
  assert.deepEqual(await patch(dav, '/docs/f', set('<x:a/>')), { '/dav/docs/f': { '200': ['a'] } })
})
