import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Addresses } from './address.ts'
import { S3Error } from './s3-error.ts'

const addresses = new Addresses(['s3.example.com', 'example.com'])
const read = (host: string | undefined, path: string) => {
  const { where, bucket, key } = addresses.read(host, path)
  return `${where} ${bucket} ${key}`
}
const refused = (code: string) => (error: unknown) => error instanceof S3Error && error.s3Code === code

test('a bucket is named by the path, or by the host below a known domain', () => {
  for (const [host, path, expected] of [
    ['127.0.0.1:7401', '/', 'service  '],
    ['127.0.0.1:7401', '/photos', 'bucket photos '],
    ['127.0.0.1:7401', '/photos/', 'bucket photos '],
    ['127.0.0.1:7401', '/photos/a/b', 'object photos a/b'],
    ['s3.example.com', '/photos/a', 'object photos a'],
    ['S3.Example.com:443', '/photos/a', 'object photos a'],
    ['photos.s3.example.com', '/a/b', 'object photos a/b'],
    ['photos.s3.example.com:7401', '/', 'bucket photos '],
    ['my.photos.s3.example.com', '/', 'bucket my.photos '],
    ['photos.example.com', '/photos/a', 'object photos photos/a'],
    ['photos.localhost:7401', '/a', 'object photos a'],
    ['photos.s3.localhost:7401', '/a', 'object photos a'],
    ['localhost:7401', '/photos/a', 'object photos a'],
    ['s3.localhost', '/photos', 'bucket photos '],
    // Hosts that were read before say the same again.
    ['photos.s3.example.com', '/b', 'object photos b'],
    ['s3.example.com', '/photos', 'bucket photos '],
    ['[::1]:7401', '/photos/a', 'object photos a'],
    ['elsewhere.org', '/photos/a', 'object photos a'],
    [undefined, '/photos/a', 'object photos a'],
  ] as const) {
    assert.equal(read(host, path), expected, `${host} ${path}`)
  }
})

test('a key is decoded once, and nothing in it is normalised', () => {
  for (const [path, key] of [
    ['/photos/a%2Fb', 'a/b'],
    ['/photos/a%2520b', 'a%20b'],
    ['/photos//a//b/', '/a//b/'],
    ['/photos/./../a', './../a'],
    ['/photos/%2e%2e', '..'],
    ['/photos/a+b', 'a+b'],
    ['/photos/%C3%A9%F0%9F%98%80', 'é😀'],
  ] as const) {
    assert.equal(addresses.read(undefined, path).key, key)
  }
})

test('a slash that is encoded ends no bucket, and a bucket whose name can not be one is refused', () => {
  for (const path of [
    '/photos%2Fa',
    '/Photos',
    '/ab',
    '/a..b/k',
    '/-ab',
    '/10.0.0.1/k',
    '//k',
    `/${'a'.repeat(64)}`,
    '/ph%00tos',
  ])
    assert.throws(() => read(undefined, path), refused('InvalidBucketName'), path)
  assert.throws(() => read('Ph_otos.localhost', '/'), refused('InvalidBucketName'))
})

test('a key that is too long, or no UTF-8, is refused', () => {
  const long = 'é'.repeat(512)
  assert.equal(addresses.read(undefined, `/photos/${encodeURIComponent(long)}`).key, long)
  assert.throws(() => read(undefined, `/photos/${encodeURIComponent(`${long}a`)}`), refused('KeyTooLongError'))
  assert.throws(() => read(undefined, '/photos/%ff'), refused('InvalidURI'))
  assert.throws(() => read(undefined, '/photos/%ED%A0%80'), refused('InvalidURI'))
  assert.throws(() => read(undefined, '/photos/a%00b'), refused('InvalidURI'))
})

test('every key comes back as it was encoded, by path and by host', () => {
  const key = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 100 })
    .filter((text) => text.isWellFormed() && !text.includes('\0'))
  fc.assert(
    fc.property(key, (text) => {
      const encoded = encodeURIComponent(text)
      assert.equal(addresses.read(undefined, `/photos/${encoded}`).key, text)
      assert.equal(addresses.read('photos.localhost', `/${encoded}`).key, text)
    }),
  )
})
