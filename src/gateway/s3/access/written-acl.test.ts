import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cannedAcl } from '#access/acl.ts'
import type { CannedAcl } from '#access/acl.ts'
import type { Bucket, BucketSettings, ObjectOwnership } from '#volume/bucket-settings.ts'
import { ownerId } from '../owner.ts'
import { S3Error } from '../s3-error.ts'
import { rulesOf } from './bucket-rules.ts'
import { ownershipOf } from './written-acl.ts'

const rules = (settings: BucketSettings, ownership: ObjectOwnership) =>
  rulesOf({ info: { name: 'photos', owner: 'anna' } as Bucket['info'], settings }, ownership)
const refused = (code: string) => (error: unknown) => error instanceof S3Error && error.s3Code === code
const canned = (name: CannedAcl) => ({ canned: name })

test('an object belongs to its writer, or to the owner of its bucket, as the bucket is set', () => {
  const owner = (ownership: ObjectOwnership, asked?: CannedAcl, writer = 'bert') =>
    ownershipOf(asked === undefined ? undefined : canned(asked), rules({}, ownership), writer).owner ?? 'anna'
  assert.equal(owner('ObjectWriter'), 'bert')
  assert.equal(owner('ObjectWriter', 'bucket-owner-full-control'), 'bert')
  assert.equal(owner('BucketOwnerPreferred'), 'bert')
  assert.equal(owner('BucketOwnerPreferred', 'bucket-owner-full-control'), 'anna')
  assert.equal(owner('BucketOwnerEnforced'), 'anna')
  assert.equal(owner('BucketOwnerEnforced', 'bucket-owner-full-control'), 'anna')
  assert.equal(owner('ObjectWriter', undefined, 'anonymous'), 'anna')
})

test('where lists are off they are refused, but for what says nothing', () => {
  const off = rules({ ownership: 'BucketOwnerEnforced' }, 'ObjectWriter')
  for (const name of ['private', 'public-read', 'bucket-owner-read'] as const)
    assert.throws(() => ownershipOf(canned(name), off, 'bert'), refused('AccessControlListNotSupported'), name)
  const to = (name: string) => ({ grants: [{ to: { id: ownerId(name) }, permission: 'FULL_CONTROL' as const }] })
  assert.deepEqual(ownershipOf(to('anna'), off, 'bert'), {})
  assert.throws(() => ownershipOf(to('bert'), off, 'bert'), refused('AccessControlListNotSupported'))
  const byDefault = rules({}, 'BucketOwnerEnforced')
  assert.deepEqual(ownershipOf(canned('private'), byDefault, 'bert'), {}, 'rclone says so unasked')
  assert.throws(() => ownershipOf(canned('public-read'), byDefault, 'bert'), refused('AccessControlListNotSupported'))
})

test('a list that says no more than that the owner owns is not kept, and a public one may be blocked', () => {
  assert.deepEqual(ownershipOf(canned('private'), rules({}, 'ObjectWriter'), 'anna'), {})
  const ids = { owner: ownerId('bert'), bucketOwner: ownerId('anna') }
  const kept = ownershipOf(canned('bucket-owner-read'), rules({}, 'ObjectWriter'), 'bert')
  assert.deepEqual(kept, { owner: 'bert', acl: cannedAcl('bucket-owner-read', ids) })
  const publicAccess = { blockPublicAcls: true, ignorePublicAcls: false, blockPublicPolicy: false, restrictPublicBuckets: false }
  const blocked = rules({ publicAccess }, 'ObjectWriter')
  for (const name of ['public-read', 'public-read-write', 'authenticated-read'] as const)
    assert.throws(() => ownershipOf(canned(name), blocked, 'bert'), refused('AccessDenied'), name)
  assert.deepEqual(ownershipOf(canned('private'), blocked, 'anna'), {})
})
