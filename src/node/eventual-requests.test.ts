import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDavTop, isOfEventual } from './eventual-requests.ts'

const eventual = { has: (name: string) => name === 'shared' || name === 'other' }
const asked = (path: string, destination?: string) =>
  isOfEventual({ path, headers: destination === undefined ? {} : { destination } }, eventual)

test('what is about eventual volumes alone is served by every node', () => {
  for (const path of ['/api/v1/volumes/shared', '/api/v1/volumes/sh%61red/files/a', '/dav/shared', '/dav/shared/a/b'])
    assert.equal(asked(path), true, path)
  for (const path of [
    '/api/v1/volumes/strong/files/shared',
    '/api/v1/volumes',
    '/dav/',
    '/dav',
    '/shared',
    '/api/v1/volumes/%zz',
  ])
    assert.equal(asked(path), false, path)
})

test('what goes to or comes from another volume is for the node that knows both', () => {
  assert.equal(asked('/dav/shared/a', '/dav/other/b'), true)
  assert.equal(asked('/dav/shared/a', 'http://host:1/dav/other/b'), true)
  assert.equal(asked('/dav/shared/a', 'http://host:1/dav/strong/b'), false)
  assert.equal(asked('/dav/strong/a', '/dav/shared/b'), false)
})

test('the feed of an eventual volume is that of the node that is asked', () => {
  const feed = (query: string) => isOfEventual({ path: '/api/v1/changes', query, headers: {} }, eventual)
  for (const query of ['volume=shared', 'follow=false&volume=sh%61red&cursor=x']) assert.equal(feed(query), true, query)
  for (const query of ['', 'volume=strong', 'volumes=shared', 'volume=%zz', 'cursor=shared'])
    assert.equal(feed(query), false, query)
})

test('a WebDAV request for the list of volumes is told from one for a volume, and from one with a long body', () => {
  const asks = (method: string, path: string, lengthBytes: number | undefined = 0) => isDavTop({ method, path, lengthBytes })
  for (const path of ['/dav', '/dav/', '/dav//', '/']) assert.equal(asks('PROPFIND', path), true, path)
  assert.deepEqual([asks('GET', '/dav/'), asks('OPTIONS', '/'), asks('PROPFIND', '/dav/', 300)], [true, true, true])
  for (const path of ['/dav/docs', '/davs', '/docs']) assert.equal(asks('PROPFIND', path), false, path)
  assert.deepEqual([asks('MKCOL', '/dav/'), asks('PROPFIND', '/dav/', 1_000_000)], [false, false])
})
