import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { type Acl, aclWithMode, decodeAcl, encodeAcl, inheritedAcl, isMode, modeWithAcl } from './posix-acl.ts'

const NO_ID = 0xffff_ffff
const bits = fc.integer({ min: 0, max: 7 })
const plain = fc.tuple(bits, bits, bits).map(([owner, group, other]): Acl => [
  { tag: 'owner', permissions: owner, id: NO_ID },
  { tag: 'group', permissions: group, id: NO_ID },
  { tag: 'other', permissions: other, id: NO_ID },
])
const named = fc
  .tuple(plain, bits, fc.array(fc.tuple(bits, fc.nat()), { minLength: 1, maxLength: 3 }))
  .map(([[owner, group, other], mask, users]): Acl => [
    owner!,
    ...users.map(([permissions, id]) => ({ tag: 'user' as const, permissions, id })),
    group!,
    { tag: 'mask', permissions: mask, id: NO_ID },
    other!,
  ])
const anyAcl = fc.oneof(plain, named)
const anyMode = fc.integer({ min: 0, max: 0o7777 })

test('a list comes back as it was, and its mode is what chmod would give it', () => {
  fc.assert(
    fc.property(anyAcl, anyMode, (acl, mode) => {
      assert.deepEqual(decodeAcl(encodeAcl(acl)), acl)
      assert.equal(modeWithAcl(mode, aclWithMode(acl, mode)), mode)
      assert.deepEqual(aclWithMode(acl, modeWithAcl(0, acl)), acl)
    }),
  )
})

test('what is made in a directory gets no more than its default list and the program allow', () => {
  fc.assert(
    fc.property(anyAcl, anyMode, (defaults, asked) => {
      const made = inheritedAcl(defaults, asked)
      assert.equal(made.mode & ~asked, 0)
      assert.equal(made.mode & 0o777 & ~modeWithAcl(0, defaults), 0)
      assert.equal(isMode(made.acl), isMode(defaults))
      for (const [index, entry] of made.acl.entries()) assert.equal(entry.permissions & ~defaults[index]!.permissions, 0)
    }),
  )
})

test('what Linux refuses is refused', () => {
  const good = encodeAcl([
    { tag: 'owner', permissions: 7, id: NO_ID },
    { tag: 'user', permissions: 7, id: 5 },
    { tag: 'group', permissions: 7, id: NO_ID },
    { tag: 'mask', permissions: 7, id: NO_ID },
    { tag: 'other', permissions: 7, id: NO_ID },
  ])
  const without = (index: number): Buffer => Buffer.concat([good.subarray(0, 4 + index * 8), good.subarray(12 + index * 8)])
  const changed = (at: number, byte: number): Buffer => {
    const bytes = Buffer.from(good)
    bytes[at] = byte
    return bytes
  }
  const wrong = [Buffer.alloc(0), Buffer.alloc(4), good.subarray(0, 11), changed(0, 1), changed(4, 64), changed(6, 8)]
  for (const bytes of [...wrong, without(0), without(2), without(3), without(4), changed(20, 32)])
    assert.throws(
      () => decodeAcl(bytes),
      (error) => isShoalError(error, 'INVALID_ARGUMENT'),
    )
  assert.equal(decodeAcl(good).length, 5)
})
