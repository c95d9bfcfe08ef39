import assert from 'node:assert/strict'
import { test } from 'node:test'
import { S3Requests } from './s3-requests.ts'

const eventual = { count: 2, has: (name: string) => name === 'shared' || name === 'other' }
const requests = new S3Requests(['s3.example.com'])
const asked = (path: string, headers: Record<string, string> = {}) => ({
  method: 'GET',
  path,
  headers: { host: 'node:1', ...headers },
})

test('what is about an eventual bucket, named in the path or in the host, is served by every node', () => {
  for (const path of ['/shared', '/shared/', '/shared/a/b', '/sh%61red/a'])
    assert.equal(requests.isOfEventual(asked(path), eventual), true, path)
  assert.equal(requests.isOfEventual(asked('/key', { host: 'shared.s3.example.com:7401' }), eventual), true)
  for (const path of ['/', '/strong/shared', '/%zz', '/api/v1/volumes/shared'])
    assert.equal(requests.isOfEventual(asked(path), eventual), false, path)
})

test('where there are no eventual volumes nothing is about one', () => {
  assert.equal(requests.isOfEventual(asked('/shared'), { count: 0, has: () => assert.fail('asked for one') }), false)
})

test('a copy between an eventual bucket and another one is for the node that knows both', () => {
  const copy = (target: string, source: string) => requests.isOfEventual(asked(target, { 'x-amz-copy-source': source }), eventual)
  assert.equal(copy('/shared/a', '/other/b'), true)
  assert.equal(copy('/shared/a', 'other%2Fb'), true)
  assert.equal(copy('/shared/a', '/strong/b'), false)
  assert.equal(copy('/strong/a', '/shared/b'), false)
  assert.equal(copy('/shared/a', '%zz'), false)
})

test('the list of buckets is told from all else', () => {
  assert.equal(requests.isListing(asked('/')), true)
  assert.equal(requests.isListing(asked('/', { host: 'shared.localhost' })), false)
  assert.equal(requests.isListing(asked('/shared')), false)
  assert.equal(requests.isListing({ ...asked('/'), method: 'POST' }), false)
})
