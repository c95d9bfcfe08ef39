import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { encodeName } from '#foundation/name.ts'
import * as decode from './decode-requests.ts'
import { type KernelMessage, kernelMessage } from './kernel-messages.suite.ts'

/** Each kind of request with its decoder and what it says. */
const CASES: readonly (KernelMessage & { readonly decoder: (body: Buffer) => unknown; readonly says: unknown })[] = [
  { opcode: 'LOOKUP', names: ['a.txt'], decoder: decode.decodeNamed, says: { name: 'a.txt' } },
  {
    opcode: 'FORGET',
    fixedEnd: 48,
    fields: [[40, 8, 3]],
    decoder: (body) => decode.decodeForget(body, 7),
    says: [{ nodeId: 7, lookups: 3 }],
  },
  {
    opcode: 'BATCH_FORGET',
    fixedEnd: 80,
    fields: [
      [40, 4, 2],
      [48, 8, 5],
      [56, 8, 1],
      [64, 8, 6],
      [72, 8, 2],
    ],
    decoder: decode.decodeBatchForget,
    says: [
      { nodeId: 5, lookups: 1 },
      { nodeId: 6, lookups: 2 },
    ],
  },
  {
    opcode: 'SETATTR',
    fixedEnd: 128,
    fields: [
      [40, 4, 1 | 2 | 8 | 16 | 64 | 256 | 2048],
      [48, 8, 9],
      [56, 8, 5_000_000_000],
      [72, 8, -2n],
      [96, 4, 999_999_999],
      [108, 4, 0o100644],
      [116, 4, 1000],
      [120, 4, 77],
    ],
    decoder: decode.decodeSetattr,
    says: {
      handle: 9,
      sizeBytes: 5_000_000_000,
      atime: { seconds: -2, nanoseconds: 999_999_999 },
      mtime: 'now',
      ctime: undefined,
      mode: 0o100644,
      uid: 1000,
      gid: undefined,
      killPrivileges: true,
      changesNothing: false,
    },
  },
  {
    opcode: 'SETATTR',
    fixedEnd: 128,
    fields: [
      [40, 4, 64 | 1024],
      [48, 8, 9],
      [88, 8, 3],
    ],
    decoder: decode.decodeSetattr,
    says: {
      handle: 9,
      ...{ sizeBytes: undefined, atime: undefined, mtime: undefined, mode: undefined, uid: undefined, gid: undefined },
      ctime: { seconds: 3, nanoseconds: 0 },
      killPrivileges: false,
      changesNothing: true,
    },
  },
  {
    opcode: 'SYMLINK',
    names: ['l', '../x'],
    decoder: decode.decodeSymlink,
    says: { name: 'l', target: Buffer.from('../x') },
  },
  {
    opcode: 'MKNOD',
    fixedEnd: 56,
    fields: [
      [40, 4, 0o10644],
      [44, 4, 0x103],
      [48, 4, 0o22],
    ],
    names: ['p'],
    decoder: decode.decodeMknod,
    says: { name: 'p', mode: 0o10644, rdev: 0x103, umask: 0o22 },
  },
  {
    opcode: 'RENAME2',
    fixedEnd: 56,
    fields: [
      [40, 8, 3],
      [48, 4, 2],
    ],
    names: ['a', 'b'],
    decoder: decode.decodeRename2,
    says: { newParentId: 3, flags: 2, name: 'a', newName: 'b' },
  },
  {
    opcode: 'RENAME',
    fixedEnd: 48,
    fields: [[40, 8, 3]],
    names: ['a', 'b'],
    decoder: decode.decodeRename,
    says: { newParentId: 3, flags: 0, name: 'a', newName: 'b' },
  },
  {
    opcode: 'LINK',
    fixedEnd: 48,
    fields: [[40, 8, 12]],
    names: ['h'],
    decoder: decode.decodeLink,
    says: { oldNodeId: 12, name: 'h' },
  },
  {
    opcode: 'CREATE',
    fixedEnd: 56,
    fields: [
      [40, 4, 0o102],
      [44, 4, 0o100600],
      [48, 4, 0o77],
      [52, 4, 1],
    ],
    names: ['n'],
    decoder: decode.decodeCreate,
    says: { flags: 0o102, mode: 0o100600, umask: 0o77, killPrivileges: true, name: 'n' },
  },
  {
    opcode: 'READ',
    fixedEnd: 80,
    fields: [
      [40, 8, 4],
      [48, 8, 2 ** 40],
      [56, 4, 4096],
    ],
    decoder: decode.decodeRead,
    says: { handle: 4, offset: 2 ** 40, sizeBytes: 4096 },
  },
  {
    opcode: 'WRITE',
    fixedEnd: 80,
    fields: [
      [40, 8, 4],
      [48, 8, 10],
      [56, 4, 3],
      [60, 4, 5],
    ],
    data: Buffer.from('abc'),
    decoder: decode.decodeWrite,
    says: { handle: 4, offset: 10, data: Buffer.from('abc'), fromCache: true, isAppend: false, killPrivileges: true },
  },
  {
    opcode: 'WRITE',
    fixedEnd: 80,
    fields: [
      [40, 8, 4],
      [48, 8, 10],
      [56, 4, 3],
      [72, 4, 0o2001],
    ],
    data: Buffer.from('abc'),
    decoder: decode.decodeWrite,
    says: { handle: 4, offset: 10, data: Buffer.from('abc'), fromCache: false, isAppend: true, killPrivileges: false },
  },
  {
    opcode: 'RELEASE',
    fixedEnd: 64,
    fields: [
      [40, 8, 4],
      [48, 4, 2],
      [52, 4, 2],
      [56, 8, 0xffff_ffff_ffff_fff1n],
    ],
    decoder: decode.decodeRelease,
    says: { handle: 4, flags: 2, unlockFlock: true, lockOwner: 0xffff_ffff_ffff_fff1n },
  },
  {
    opcode: 'SETXATTR',
    fixedEnd: 48,
    fields: [
      [40, 4, 2],
      [44, 4, 1],
    ],
    names: ['user.a'],
    data: Buffer.from('xy'),
    decoder: (body) => decode.decodeSetxattr(body, { isExtended: false }),
    says: { name: 'user.a', value: Buffer.from('xy'), flags: 1, killSetgid: false },
  },
  {
    opcode: 'SETXATTR',
    fixedEnd: 56,
    fields: [
      [40, 4, 1],
      [44, 4, 2],
      [48, 4, 1],
    ],
    names: ['user.a'],
    data: Buffer.from('x'),
    decoder: (body) => decode.decodeSetxattr(body, { isExtended: true }),
    says: { name: 'user.a', value: Buffer.from('x'), flags: 2, killSetgid: true },
  },
  {
    opcode: 'SETLKW',
    fixedEnd: 88,
    fields: [
      [40, 8, 4],
      [48, 8, 0x8000_0000_0000_0001n],
      [56, 8, 5],
      [64, 8, 0x7fff_ffff_ffff_ffffn],
      [72, 4, 1],
      [76, 4, 321],
      [80, 4, 1],
    ],
    decoder: decode.decodeLock,
    says: {
      handle: 4,
      owner: 0x8000_0000_0000_0001n,
      start: 5n,
      end: 0x7fff_ffff_ffff_ffffn,
      kind: 'write',
      pid: 321,
      isFlock: true,
    },
  },
  {
    opcode: 'FALLOCATE',
    fixedEnd: 72,
    fields: [
      [40, 8, 4],
      [48, 8, 1],
      [56, 8, 2],
      [64, 4, 3],
    ],
    decoder: decode.decodeFallocate,
    says: { handle: 4, offset: 1, lengthBytes: 2, mode: 3 },
  },
  {
    opcode: 'COPY_FILE_RANGE',
    fixedEnd: 96,
    fields: [
      [40, 8, 1],
      [48, 8, 2],
      [56, 8, 3],
      [64, 8, 4],
      [72, 8, 5],
      [80, 8, 0x7fff_ffff_ffff_ffffn],
    ],
    decoder: decode.decodeCopyFileRange,
    says: {
      handle: 1,
      offset: 2,
      targetNodeId: 3,
      targetHandle: 4,
      targetOffset: 5,
      lengthBytes: Number.MAX_SAFE_INTEGER,
    },
  },
  {
    opcode: 'IOCTL',
    fixedEnd: 72,
    fields: [
      [40, 8, 4],
      [52, 4, 0x5401],
      [64, 4, 2],
      [68, 4, 60],
    ],
    data: Buffer.from('io'),
    decoder: decode.decodeIoctl,
    says: { handle: 4, command: 0x5401, input: Buffer.from('io'), outputBytesMax: 60 },
  },
]

for (const { decoder, says, ...parts } of CASES) {
  test(`${parts.opcode} of ${parts.fixedEnd ?? 40} fixed bytes says what the kernel put into it`, () => {
    assert.deepEqual(decoder(kernelMessage(parts)), says)
  })

  test(`${parts.opcode} of ${parts.fixedEnd ?? 40} fixed bytes is refused when it is cut short anywhere`, () => {
    const message = kernelMessage(parts)
    for (let length = 40; length < message.length; length += 1) {
      assert.throws(() => decoder(message.subarray(0, length)), { name: 'FuseError', message: 'EPROTO' }, `${length} bytes`)
    }
  })
}

test('any name without a NUL comes through, whatever its bytes', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 255 }).map((array) => Buffer.from(array.map((byte) => byte || 1)))
  fc.assert(
    fc.property(bytes, (name) => {
      const decoded = decode.decodeNamed(kernelMessage({ opcode: 'LOOKUP', names: [name] }))
      assert.deepEqual(encodeName(decoded.name), name)
    }),
  )
})

test('any bytes at all are decoded or refused, and never read past their end', () => {
  const decoders = Object.values(decode).filter((value) => typeof value === 'function') as ((
    body: Buffer,
    more: never,
  ) => unknown)[]
  assert.ok(decoders.length > 25)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const decoder of decoders) {
        try {
          decoder(Buffer.from(bytes), { isExtended: true } as never)
        } catch (error) {
          assert.equal((error as Error).name, 'FuseError')
        }
      }
    }),
  )
})

test('a range of a file that is beyond any length is too large, as fallocate(2) says it', () => {
  const body = Buffer.alloc(72)
  body.writeBigUInt64LE(2n ** 62n, 48)
  assert.throws(() => decode.decodeFallocate(body), { message: 'EFBIG' })
  body.writeBigUInt64LE(0n, 48)
  body.writeBigUInt64LE(2n ** 53n, 56)
  assert.throws(() => decode.decodeFallocate(body), { message: 'EFBIG' })
})
