import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cannedAcl, ownersAcl } from '#access/acl.ts'
import { ANONYMOUS, ROOT } from '#access/principal.ts'
import type { Principal } from '#access/principal.ts'
import type { Bucket, BucketSettings, ObjectOwnership } from '#volume/bucket-settings.ts'
import { ownerId } from '../owner.ts'
import { isAllowed } from './access-decision.ts'
import type { AccessQuestion, ObjectFacts } from './access-decision.ts'
import { rulesOf } from './bucket-rules.ts'
import { BUCKET_ACL, OBJECT_ACL, S3_ACTIONS } from './s3-actions.ts'

const ANNA: Principal = { name: 'anna', kind: 'user' }
const BERT: Principal = { name: 'bert', kind: 'user' }
const CLOE: Principal = { name: 'cloe', kind: 'user' }

/** A bucket of anna's. */
function rules(settings: BucketSettings, ownership: ObjectOwnership = 'ObjectWriter') {
  return rulesOf({ info: { name: 'photos', owner: 'anna' } as Bucket['info'], settings }, ownership)
}

const policy = (...statements: readonly object[]): string =>
  JSON.stringify({
    Statement: statements.map((one) => ({ Effect: 'Allow', Principal: '*', Resource: 'arn:aws:s3:::photos*', ...one })),
  })

const OF_BERT: ObjectFacts = { owner: 'bert', acl: ownersAcl(ownerId('bert')), tags: [] }

function may(who: Principal, action: string, rest: Partial<AccessQuestion> = {}): boolean {
  const key = action.includes('Object') && action !== 's3:PutBucketObjectLockConfiguration' ? 'k' : ''
  const question = { who, rules: rules({}), action, bucket: 'photos', key, valuesOf: () => undefined, object: undefined, ...rest }
  return isAllowed(question)
}

test('without policy and lists the owner may do everything, root too, and nobody else anything', () => {
  for (const action of S3_ACTIONS) {
    assert.equal(may(ANNA, action), true, action)
    assert.equal(may(ROOT, action), true, action)
    assert.equal(may(BERT, action), false, action)
    assert.equal(may(ANONYMOUS, action), false, action)
  }
})

test('what a policy allows is allowed, and what it denies is denied even to the owner, but for the policy itself', () => {
  const open = { rules: rules({ policy: policy({ Action: 's3:GetObject' }) }) }
  assert.equal(may(BERT, 's3:GetObject', open), true)
  assert.equal(may(ANONYMOUS, 's3:GetObject', open), true)
  assert.equal(may(BERT, 's3:PutObject', open), false)
  const closed = { rules: rules({ policy: policy({ Effect: 'Deny', Action: '*' }, { Action: '*' }) }) }
  assert.equal(may(ANNA, 's3:GetObject', closed), false)
  assert.equal(may(ANNA, 's3:DeleteBucket', closed), false)
  assert.equal(may(ANNA, 's3:DeleteBucketPolicy', closed), true)
  assert.equal(may(ROOT, 's3:GetObject', closed), true)
})

test('lists allow what their permissions stand for, where they count at all', () => {
  const acl = cannedAcl('public-read-write', { owner: ownerId('anna'), bucketOwner: ownerId('anna') })
  for (const action of S3_ACTIONS) {
    const permission = BUCKET_ACL.get(action)
    const expected = permission === 'READ' || permission === 'WRITE'
    assert.equal(may(ANONYMOUS, action, { rules: rules({ acl }) }), expected, action)
    assert.equal(may(ANONYMOUS, action, { rules: rules({ acl }, 'BucketOwnerEnforced') }), false, action)
  }
  const object = { owner: 'anna', acl: cannedAcl('authenticated-read', { owner: ownerId('anna'), bucketOwner: '' }), tags: [] }
  assert.equal(may(BERT, 's3:GetObject', { object }), true)
  assert.equal(may(ANONYMOUS, 's3:GetObject', { object }), false)
  assert.equal(may(BERT, 's3:DeleteObject', { object }), false)
  assert.equal(may(BERT, 's3:GetObject', { object, rules: rules({}, 'BucketOwnerEnforced') }), false)
})

test('an object that somebody else wrote is theirs, and its list binds the owner of the bucket', () => {
  const given = { object: OF_BERT }
  for (const action of OBJECT_ACL.keys()) {
    assert.equal(may(BERT, action, given), true, action)
    assert.equal(may(ANNA, action, given), false, action)
    assert.equal(may(ANNA, action, { ...given, rules: rules({}, 'BucketOwnerEnforced') }), true, action)
    assert.equal(may(CLOE, action, given), false, action)
  }
  assert.equal(may(ANNA, 's3:DeleteObject', given), true, 'whatever is in a bucket, its owner can remove it')
  const revoked = { object: { ...OF_BERT, acl: { grants: [] } } }
  assert.equal(may(BERT, 's3:GetObject', revoked), false)
  assert.equal(may(BERT, 's3:PutObjectAcl', revoked), true, 'an owner gets back in')
})

test('the public access block shuts out whom only a public list or policy lets in', () => {
  const block = { blockPublicAcls: false, ignorePublicAcls: false, blockPublicPolicy: false, restrictPublicBuckets: false }
  const acl = cannedAcl('public-read', { owner: ownerId('anna'), bucketOwner: ownerId('anna') })
  assert.equal(may(BERT, 's3:ListBucket', { rules: rules({ acl, publicAccess: block }) }), true)
  assert.equal(may(BERT, 's3:ListBucket', { rules: rules({ acl, publicAccess: { ...block, ignorePublicAcls: true } }) }), false)
  const restrict = { ...block, restrictPublicBuckets: true }
  const open = policy({ Action: 's3:GetObject' })
  assert.equal(may(BERT, 's3:GetObject', { rules: rules({ policy: open, publicAccess: block }) }), true)
  assert.equal(may(BERT, 's3:GetObject', { rules: rules({ policy: open, publicAccess: restrict }) }), false)
  assert.equal(may(ANNA, 's3:GetObject', { rules: rules({ policy: open, publicAccess: restrict }) }), true)
  const named = policy({ Action: 's3:GetObject', Principal: { AWS: 'arn:aws:iam:::user/bert' } })
  assert.equal(may(BERT, 's3:GetObject', { rules: rules({ policy: named, publicAccess: restrict }) }), true)
})

test('whatever lists and ownership say, a denial holds for everyone but root and, for the policy itself, the owner', () => {
  const denied = policy({ Effect: 'Deny', Action: '*' })
  const acl = cannedAcl('public-read-write', { owner: ownerId('anna'), bucketOwner: ownerId('anna') })
  fc.assert(
    fc.property(
      fc.constantFrom(ANNA, BERT, ANONYMOUS),
      fc.constantFrom(...S3_ACTIONS.filter((action) => !action.endsWith('BucketPolicy'))),
      fc.constantFrom('ObjectWriter', 'BucketOwnerPreferred', 'BucketOwnerEnforced'),
      fc.constantFrom(undefined, OF_BERT, { ...OF_BERT, acl }),
      (who, action, ownership, object) => {
        assert.equal(may(who, action, { rules: rules({ policy: denied, acl }, ownership), object }), false)
      },
    ),
  )
})
