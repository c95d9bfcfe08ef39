import assert from 'node:assert/strict'
import { test } from 'node:test'
import { S3Error } from '../s3-error.ts'
import { checkPostPolicy, parsePostPolicy } from './post-policy.ts'

const NOW_MS = Date.UTC(2026, 10, 21)
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64')
const policyOf = (...conditions: unknown[]) => ({ expiration: '2026-11-22T00:00:00Z', conditions })

function check(conditions: unknown[], fields: Record<string, string>, nowMs = NOW_MS) {
  return checkPostPolicy(parsePostPolicy(encode(policyOf(...conditions))), new Map(Object.entries(fields)), nowMs)
}

const refused =
  (code: string, text = /./) =>
  (error: unknown) =>
    error instanceof S3Error && error.s3Code === code && text.test(error.message)

test('a policy whose conditions all hold gives the bounds of the file', () => {
  const conditions = [
    { bucket: 'b' },
    ['starts-with', '$key', 'user/'],
    { ACL: 'private' },
    ['Eq', '$Content-Type', 'a/b'],
    ['starts-with', '$x-amz-meta-tag', ''],
  ]
  const fields = { bucket: 'b', key: 'user/a', acl: 'private', 'content-type': 'a/b', 'x-amz-meta-tag': 'any' }
  assert.equal(check(conditions, fields), undefined)
  assert.deepEqual(check([...conditions, ['content-length-range', 1, '10']], fields), { min: 1, max: 10 })
  assert.deepEqual(check([...conditions, ['content-length-range', 1, 10], ['content-length-range', 0, 5]], fields), {
    min: 1,
    max: 5,
  })
})

test('a field that may begin with anything may be left out', () => {
  assert.equal(check([['starts-with', '$x-amz-meta-tag', '']], {}), undefined)
})

test('a condition that does not hold, a field without one, and a policy past its end are refused', () => {
  const denied = refused('AccessDenied')
  assert.throws(() => check([{ bucket: 'b' }], { bucket: 'c' }), denied)
  assert.throws(() => check([['starts-with', '$key', 'user/']], { key: 'other/user/' }), denied)
  assert.throws(() => check([{ acl: 'private' }], {}), denied)
  assert.throws(() => check([['starts-with', '$key', 'user/']], {}), denied)
  assert.throws(() => check([], { key: 'a' }), refused('AccessDenied', /Extra input fields: key/))
  assert.throws(() => check([], {}, NOW_MS + 86_400_000), refused('AccessDenied', /expired/))
  assert.equal(
    check([], { 'x-ignore-this': 'a', policy: 'p', signature: 's', awsaccesskeyid: 'k', 'x-amz-signature': 's' }),
    undefined,
  )
})

test('a policy that is none is refused', () => {
  const conditions: unknown[] = []
  for (const document of [
    'nonsense',
    [],
    null,
    { conditions },
    { EXPIRATION: '2026-11-22T00:00:00Z', conditions },
    { expiration: '2026-11-22T00:00:00Z' },
    { expiration: '2026-11-22T00:00:00Z', CONDITIONS: conditions },
    { expiration: '2026-11-22 00:00:00', conditions },
    { expiration: '2026-13-45T00:00:00Z', conditions },
    { expiration: 1, conditions },
    policyOf({}),
    policyOf('x'),
    policyOf({ acl: 1 }),
    policyOf(['eq', '$acl']),
    policyOf(['eq', 'acl', 'private']),
    policyOf(['ends-with', '$acl', 'private']),
    policyOf(['content-length-range', 0]),
    policyOf(['content-length-range', -1, 0]),
    policyOf(['content-length-range', 'a', 'b']),
  ])
    assert.throws(() => parsePostPolicy(encode(document)), refused('InvalidPolicyDocument'), JSON.stringify(document))
  assert.throws(() => parsePostPolicy('%%%'), refused('InvalidPolicyDocument'))
})
