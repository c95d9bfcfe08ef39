import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cannedAcl, hasGrant, isPublicAcl } from './acl.ts'
import type { CannedAcl } from './acl.ts'

const [OWNER, BUCKET, OTHER] = ['owner', 'bucket', 'other']
const PERMISSIONS = ['READ', 'WRITE', 'READ_ACP', 'WRITE_ACP'] as const

function may(name: CannedAcl, id: string | undefined, ignorePublic = false): string {
  const acl = cannedAcl(name, { owner: OWNER, bucketOwner: BUCKET })
  return PERMISSIONS.filter((permission) => hasGrant(acl, permission, { id, ignorePublic })).join(' ')
}

test('canned lists give what the User Guide says', () => {
  const ALL = PERMISSIONS.join(' ')
  const rows: readonly [CannedAcl, bucket: string, other: string, nobody: string][] = [
    ['private', '', '', ''],
    ['public-read', 'READ', 'READ', 'READ'],
    ['public-read-write', 'READ WRITE', 'READ WRITE', 'READ WRITE'],
    ['authenticated-read', 'READ', 'READ', ''],
    ['bucket-owner-read', 'READ', '', ''],
    ['bucket-owner-full-control', ALL, '', ''],
  ]
  for (const [name, bucket, other, nobody] of rows) {
    assert.deepEqual(
      [may(name, OWNER), may(name, BUCKET), may(name, OTHER), may(name, undefined)],
      [ALL, bucket, other, nobody],
      name,
    )
    const isPublic = isPublicAcl(cannedAcl(name, { owner: OWNER, bucketOwner: BUCKET }))
    assert.equal(isPublic, name.startsWith('public') || name === 'authenticated-read', name)
    assert.equal(may(name, OTHER, true), '', `${name}, public grants ignored`)
  }
})

test('nobody in particular never is the one with an empty id', () => {
  const acl = { grants: [{ to: { id: '' }, permission: 'FULL_CONTROL' }] } as const
  assert.equal(hasGrant(acl, 'READ', { id: undefined, ignorePublic: false }), false)
})
