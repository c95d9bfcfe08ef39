import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { InodeId } from '#foundation/ids.ts'
import { type Attributes, FILE_TYPES } from '#metadata/attributes.ts'
import { entryJson, entryText } from './entry-json.ts'

const anyTime = fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n })
const anyAttributes: fc.Arbitrary<Attributes> = fc.record(
  {
    inode: fc.maxSafeNat().map((inode) => inode as InodeId),
    type: fc.constantFrom(...FILE_TYPES),
    mode: fc.nat(0o7777),
    uid: fc.nat(),
    gid: fc.nat(),
    links: fc.nat(),
    sizeBytes: fc.maxSafeNat(),
    atimeNs: anyTime,
    mtimeNs: anyTime,
    ctimeNs: anyTime,
    btimeNs: anyTime,
    rdev: fc.nat(),
    version: fc.maxSafeNat(),
    sha256: fc.option(
      fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
      { nil: undefined },
    ),
    hasXattrs: fc.boolean(),
  },
  {
    requiredKeys: [
      'inode',
      'type',
      'mode',
      'uid',
      'gid',
      'links',
      'sizeBytes',
      'atimeNs',
      'mtimeNs',
      'ctimeNs',
      'btimeNs',
      'rdev',
      'version',
      'sha256',
    ],
  },
)
const anyPath = fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }), { maxLength: 3 })

test('the text of an entry is its JSON', () => {
  fc.assert(
    fc.property(anyPath, anyAttributes, (path, attributes) => {
      assert.equal(entryText(path, attributes), JSON.stringify(entryJson(path, attributes)))
    }),
  )
})
