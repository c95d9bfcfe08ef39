import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes, FileType } from '#metadata/attributes.ts'
import { PackedAttributes } from './packed-attributes.ts'

const types: FileType[] = ['file', 'directory', 'symlink', 'fifo', 'socket', 'character-device', 'block-device']
const word = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const timeNs = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })

const attributes: fc.Arbitrary<Attributes> = fc
  .record({
    inode: fc.maxSafeNat().map((inode) => inode as InodeId),
    type: fc.constantFrom(...types),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: word,
    gid: word,
    links: word,
    rdev: word,
    sizeBytes: fc.maxSafeNat(),
    version: fc.maxSafeNat(),
    atimeNs: timeNs,
    mtimeNs: timeNs,
    ctimeNs: timeNs,
    btimeNs: timeNs,
    sha256: fc.constant(undefined),
    xattrs: fc.constantFrom({}, { hasXattrs: false }, { hasXattrs: true }),
    occupied: fc.oneof(fc.constant({}), fc.record({ occupiedBytes: fc.maxSafeNat() })),
  })
  .map(({ xattrs, occupied, ...rest }) => ({ ...rest, ...xattrs, ...occupied }))

test('what is packed is what comes back, whatever was taken away before and put in its place', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), attributes, note: word, copies: fc.constantFrom(1, 3_000) }),
    fc.record({ kind: fc.constant('free' as const), at: fc.nat() }),
    fc.record({ kind: fc.constant('clear' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const packed = new PackedAttributes()
      const model = new Map<number, { attributes: Attributes; note: number }>()
      for (const one of steps) {
        if (one.kind === 'add') {
          for (let copy = 0; copy < one.copies; copy += 1) {
            const slot = packed.add(one.attributes, one.note)
            assert.ok(!model.has(slot))
            model.set(slot, one)
          }
        } else if (one.kind === 'free' && model.size > 0) {
          const slot = [...model.keys()][one.at % model.size] as number
          model.delete(slot)
          packed.free(slot)
        } else if (one.kind === 'clear') {
          model.clear()
          packed.clear()
        }
      }
      const checked = [...model].filter((_, index) => index % 97 === 0 || index < 20)
      for (const [slot, { attributes: put, note }] of checked) {
        assert.deepEqual(packed.get(slot), put)
        assert.equal(packed.note(slot), note)
      }
    }),
    { numRuns: 50 },
  )
})
