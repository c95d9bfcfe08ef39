import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { DirectoryPage } from './directory-page.ts'
import { encodeNotification } from './notifications.ts'
import { readI64, readU64, write64 } from './numbers.ts'
import * as replies from './replies.ts'
import { uniqueKey } from './request-header.ts'

const ATTRIBUTES: replies.FuseAttributes = {
  inode: 2 ** 40 + 5,
  mode: 0o100644,
  links: 2,
  uid: 1000,
  gid: 100,
  rdev: 0x0012_3456,
  sizeBytes: 2 ** 42,
  blocks: 9,
  blockSizeBytes: 4096,
  atime: { seconds: 1, nanoseconds: 2 },
  mtime: { seconds: -3, nanoseconds: 4 },
  ctime: { seconds: 5, nanoseconds: 6 },
}
const ENTRY: replies.EntryReply = {
  nodeId: 7,
  generation: 8,
  attributes: ATTRIBUTES,
  validity: { entryMs: 1500, attributesMs: 86_400_000 },
}

function written(length: number, write: (out: Buffer) => number): Buffer {
  const out = Buffer.alloc(replies.FIXED_REPLY_BYTES_MAX, 0xff)
  assert.equal(write(out), length)
  return out.subarray(0, length)
}

test('an entry lies as struct fuse_entry_out has it', () => {
  const out = written(128, (buffer) => replies.writeEntry(ENTRY, buffer))
  const u64 = (at: number) => Number(out.readBigInt64LE(at))
  assert.deepEqual([0, 8, 16, 24, 40, 48, 56, 64, 72, 80].map(u64), [7, 8, 1, 86_400, 2 ** 40 + 5, 2 ** 42, 9, 1, -3, 5])
  const u32 = [32, 36, 88, 92, 96, 100, 104, 108, 112, 116, 120, 124].map((at) => out.readUInt32LE(at))
  assert.deepEqual(u32, [500_000_000, 0, 2, 4, 6, 0o100644, 2, 1000, 100, 0x0012_3456, 4096, 0])
})

test('what is absent is node 0, with a time for which that holds', () => {
  const out = written(128, (buffer) => replies.writeEntry({ absentMs: 2000 }, buffer))
  assert.equal(out.readUInt8(16), 2)
  assert.ok(out.every((byte, at) => at === 16 || byte === 0))
})

test('attributes, files and statistics have the lengths and places that the kernel expects', () => {
  const attributes = written(104, (out) => replies.writeAttributesReply({ attributes: ATTRIBUTES, validMs: 10 }, out))
  assert.equal(attributes.readUInt32LE(8), 10_000_000)
  assert.equal(readU64(attributes, 16), ATTRIBUTES.inode)
  const opened = written(16, (out) => replies.writeOpen({ handle: 5, flags: 128, backingId: 3 }, out))
  assert.deepEqual([readU64(opened, 0), opened.readUInt32LE(8), opened.readInt32LE(12)], [5, 128, 3])
  const created = written(144, (out) => replies.writeCreate({ ...ENTRY, handle: 5, flags: 1 }, out))
  assert.deepEqual([readU64(created, 0), readU64(created, 128), created.readUInt32LE(136)], [7, 5, 1])
  const statx = written(288, (out) =>
    replies.writeStatx({ attributes: { ...ATTRIBUTES, btime: { seconds: 9, nanoseconds: 1 } }, validMs: 0 }, out),
  )
  assert.deepEqual(
    [statx.readUInt32LE(32), statx.readUInt16LE(60), readU64(statx, 72), readU64(statx, 112), statx.readUInt32LE(160)],
    [0xfff, 0o100644, 2 ** 42, 9, 0x234],
  )
  assert.equal(statx.readUInt32LE(164), 0x156)
  const statistics = written(80, (out) =>
    replies.writeStatfs(
      { blockSizeBytes: 4096, blocks: 1, freeBlocks: 2, availableBlocks: 3, files: 4, freeFiles: 5, nameBytesMax: 255 },
      out,
    ),
  )
  assert.deepEqual(
    [0, 8, 16, 24, 32].map((at) => readU64(statistics, at)),
    [1, 2, 3, 4, 5],
  )
})

test('64-bit numbers keep their value and sign', () => {
  const out = Buffer.alloc(8)
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      write64(out, value, 0)
      assert.equal(out.readBigInt64LE(0), BigInt(value))
      assert.equal(readI64(out, 0), value)
    }),
  )
  out.writeBigUInt64LE(2n ** 53n)
  assert.throws(() => readU64(out, 0), { message: 'EOVERFLOW' })
})

test('no two numbers of requests have the same key', () => {
  const halves = fc.tuple(fc.constantFrom(0, 1, 0xffff_ffff), fc.constantFrom(0, 1, 0x1f_ffff, 0x8000_0000, 0x801f_ffff))
  fc.assert(
    fc.property(halves, halves, ([low, high], [otherLow, otherHigh]) => {
      const isSame = low === otherLow && high === otherHigh
      assert.equal(uniqueKey(low, high) === uniqueKey(otherLow, otherHigh), isSame)
    }),
  )
})

test('a page of a directory takes entries while they fit, and counts no look-up of one that does not', () => {
  const page = new DirectoryPage({ sizeBytes: 400, hasAttributes: true })
  let lookups = 0
  const found = () => {
    lookups += 1
    return ENTRY
  }
  const entry = (name: string, nextOffset: number) => ({ name, inode: 9, mode: 0o040755, nextOffset })
  assert.ok(page.add(entry('.', 1)))
  assert.ok(page.add(entry('a-longer-name', 2), found))
  assert.ok(!page.add(entry('a-name-that-does-not-fit-any-more-because-it-is-far-too-long', 3), found))
  assert.equal(lookups, 1)
  const bytes = page.bytes
  assert.equal(bytes.length, 160 + 168)
  assert.equal(readU64(bytes, 0), 0)
  assert.equal(readU64(bytes, 160), 7)
  assert.deepEqual([readU64(bytes, 288), readU64(bytes, 296), bytes.readUInt32LE(304), bytes.readUInt32LE(308)], [9, 2, 13, 4])
  assert.equal(bytes.toString('utf8', 312, 325), 'a-longer-name')
})

test('notifications lie as the kernel expects them, without a number', () => {
  const cases = [
    [{ kind: 'inode', nodeId: 5 }, 2, '05000000000000 00ffffffffffffffff0000000000000000'],
    [{ kind: 'inode', nodeId: 5, data: { offset: 16, length: 1 } }, 2, '050000000000000010000000000000000100000000000000'],
    [{ kind: 'entry', parentId: 1, name: 'ab', expireOnly: true }, 3, '01000000000000000200000001000000616200'],
    [{ kind: 'deleted', parentId: 1, childId: 2, name: 'a' }, 6, '010000000000000002000000000000000100000000000000 6100'],
    [{ kind: 'store', nodeId: 3, offset: 1, data: Buffer.from('x') }, 4, '0300000000000000010000000000000001000000 0000000078'],
    [{ kind: 'resend' }, 7, ''],
    [{ kind: 'prune', nodeIds: [3] }, 9, '01000000000000000000000000000000 0300000000000000'],
  ] as const
  for (const [notification, code, body] of cases) {
    const message = encodeNotification(notification)
    assert.equal(message.readUInt32LE(0), message.length)
    assert.equal(message.readInt32LE(4), code)
    assert.equal(message.readBigUInt64LE(8), 0n)
    assert.equal(message.toString('hex', 16), body.replaceAll(' ', ''))
  }
  assert.throws(() => encodeNotification({ kind: 'entry', parentId: 1, name: 'x'.repeat(256) }), RangeError)
})
