import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { formatSha256Digest, readDigests, wantsSha256 } from './digest-headers.ts'

const sha256 = createHash('sha256').update('x').digest()
const md5 = createHash('md5').update('x').digest()

test('every form of a digest is read', () => {
  assert.deepEqual(readDigests({}), {})
  assert.deepEqual(readDigests({ 'content-md5': md5.toString('base64') }), { md5 })
  for (const headers of [
    { 'repr-digest': formatSha256Digest(sha256) },
    { 'content-digest': `sha-512=:AAAA:, ${formatSha256Digest(sha256)}` },
    { 'x-content-sha256': sha256.toString('hex').toUpperCase() },
    { 'repr-digest': formatSha256Digest(sha256), 'x-content-sha256': sha256.toString('hex') },
  ]) {
    assert.deepEqual(readDigests(headers), { sha256 })
  }
  assert.deepEqual(readDigests({ 'repr-digest': 'sha-512=:AAAA:' }), {})
})

test('what can be no digest is refused, and so are two that differ', () => {
  const other = createHash('sha256').update('y').digest('hex')
  for (const headers of [
    { 'content-md5': 'x' },
    { 'content-md5': sha256.toString('base64') },
    { 'repr-digest': 'sha-256=abc' },
    { 'repr-digest': 'sha-256=:abc:' },
    { 'repr-digest': `sha-256=:${md5.toString('base64')}:` },
    { 'x-content-sha256': 'abc' },
    { 'x-content-sha256': `${sha256.toString('hex')}00` },
  ]) {
    assert.throws(
      () => readDigests(headers),
      (error) => isShoalError(error, 'INVALID_ARGUMENT'),
      JSON.stringify(headers),
    )
  }
  assert.throws(
    () => readDigests({ 'repr-digest': formatSha256Digest(sha256), 'x-content-sha256': other }),
    (error) => isShoalError(error, 'DIGEST_MISMATCH'),
  )
})

test('a digest is wanted by any weight but zero', () => {
  assert.equal(wantsSha256('sha-256=10'), true)
  assert.equal(wantsSha256('sha-512=3, sha-256=1'), true)
  assert.equal(wantsSha256('sha-256=0'), false)
  assert.equal(wantsSha256('sha-512=3'), false)
  assert.equal(wantsSha256(undefined), false)
})
