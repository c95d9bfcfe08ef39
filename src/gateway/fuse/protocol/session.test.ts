import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { type Log, silentLog } from '#observe/log.ts'
import { refusal } from './errno.ts'
import { flagsWithout, initMessage, kernelMessage } from './kernel-messages.suite.ts'
import { type FEATURES, OPCODES } from './opcodes.ts'
import type { FuseOperations } from './operations.ts'
import { FuseSession } from './session.ts'

const ATTRIBUTES = {
  inode: 1,
  mode: 0o040755,
  links: 2,
  uid: 0,
  gid: 0,
  rdev: 0,
  sizeBytes: 0,
  blocks: 0,
  blockSizeBytes: 4096,
  atime: { seconds: 0, nanoseconds: 0 },
  mtime: { seconds: 0, nanoseconds: 0 },
  ctime: { seconds: 0, nanoseconds: 0 },
}
const ENTRY = { nodeId: 9, generation: 0, attributes: ATTRIBUTES, validity: { entryMs: 0, attributesMs: 0 } }

interface Reply {
  readonly unique: bigint
  readonly errno: number
  readonly body: Buffer
}

class Kernel {
  readonly replies: Reply[] = []
  readonly forgotten: unknown[] = []
  readonly released: number[] = []
  readonly errors: string[] = []
  readonly warnings: unknown[] = []
  nowMs = 0
  isEnding = false
  /** Whether answers are still waited for. */
  isWaiting = true
  readonly session: FuseSession

  constructor(
    operations: Partial<FuseOperations> = {},
    features: readonly (keyof typeof FEATURES)[] = ['MAX_PAGES', 'PASSTHROUGH'],
  ) {
    const log: Log = {
      ...silentLog,
      error: (message) => void this.errors.push(message),
      warn: (_, fields) => void this.warnings.push([(fields?.error as Error | undefined)?.message, fields?.failedBefore]),
    }
    this.session = new FuseSession({
      operations: {
        forget: (forgotten) => void this.forgotten.push(...forgotten),
        lookup: () => ENTRY,
        getattr: () => ({ attributes: ATTRIBUTES, validMs: 0 }),
        release: ({ handle }) => void this.released.push(handle),
        ...operations,
      },
      sink: {
        reply: (head, data = Buffer.alloc(0)) => {
          const body = Buffer.concat([head.subarray(16), data])
          assert.equal(head.readUInt32LE(0), 16 + body.length)
          this.replies.push({ unique: head.readBigUInt64LE(8), errno: Math.abs(head.readInt32LE(4)), body })
          return this.isWaiting
        },
      },
      wishes: {
        features: new Set(features),
        requestBytesMax: 1024 * 1024,
        readAheadBytes: 0,
        backgroundMax: 64,
        stackDepthMax: 1,
      },
      clock: { monotonicMs: () => this.nowMs },
      log,
      requestMsMax: 1000,
      isEnding: () => this.isEnding,
    })
  }

  static begun(operations: Partial<FuseOperations> = {}): Kernel {
    const kernel = new Kernel(operations)
    kernel.session.receive(initMessage())
    kernel.replies.length = 0
    return kernel
  }

  lookup(unique = 2n): void {
    this.session.receive(kernelMessage({ opcode: 'LOOKUP', unique, names: ['a'] }))
  }

  interrupt(target: bigint): void {
    this.session.receive(kernelMessage({ opcode: 'INTERRUPT', unique: target | 1n, fixedEnd: 48, fields: [[40, 8, target]] }))
  }

  errnos(): number[] {
    return this.replies.map(({ errno }) => errno)
  }
}

test('INIT is answered with what both sides want, and requests of 1 MiB', () => {
  const kernel = new Kernel()
  kernel.session.receive(initMessage())
  const [reply] = kernel.replies
  assert.equal(reply?.body.length, 64)
  const u32 = (at: number) => reply?.body.readUInt32LE(at)
  assert.deepEqual([u32(0), u32(4), u32(8)], [7, 45, 131_072])
  assert.equal(u32(12), ((1 << 22) | (1 << 30)) >>> 0)
  assert.equal(u32(32), 1 << 5)
  assert.deepEqual([u32(20), u32(24), reply?.body.readUInt16LE(28), u32(36)], [1_048_576, 1, 256, 1])
  assert.equal(kernel.session.state, 'running')
  assert.ok(kernel.session.terms?.features.has('PASSTHROUGH'))
})

test('why a program is told of an input or output error is in the log, once a second', () => {
  const messages = ['the cluster is away', 'again', 'and again', 'still'].map((message) => new ShoalError('UNAVAILABLE', message))
  const kernel = Kernel.begun({
    lookup: () => {
      throw messages.shift() ?? refusal('ENOENT')
    },
  })
  for (const nowMs of [0, 10, 999, 1000, 2000]) {
    kernel.nowMs = nowMs
    kernel.lookup()
  }
  assert.deepEqual(kernel.errnos(), [5, 5, 5, 5, 2])
  assert.deepEqual(kernel.warnings, [
    ['the cluster is away', undefined],
    ['still', 2],
  ])
})

test('what the kernel does not offer is not asked for', () => {
  const kernel = new Kernel()
  kernel.session.receive(initMessage({ flags: flagsWithout('INIT_EXT') }))
  assert.deepEqual([...(kernel.session.terms?.features ?? [])], ['MAX_PAGES'])
  assert.equal(kernel.replies[0]?.body.readUInt32LE(32), 0)
})

test('the kernel is refused WRITEBACK_CACHE and PASSTHROUGH together', () => {
  const kernel = new Kernel({}, ['PASSTHROUGH', 'WRITEBACK_CACHE'])
  kernel.session.receive(initMessage())
  assert.deepEqual([...(kernel.session.terms?.features ?? [])].toSorted(), ['INIT_EXT', 'WRITEBACK_CACHE'])
})

test('a newer major version is asked to begin anew, an older kernel is refused', () => {
  const newer = new Kernel()
  newer.session.receive(initMessage({ major: 8, minor: 0 }))
  assert.equal(newer.session.state, 'new')
  assert.equal(newer.replies[0]?.body.readUInt32LE(0), 7)
  newer.session.receive(initMessage())
  assert.equal(newer.session.state, 'running')
  const older = new Kernel()
  older.session.receive(initMessage({ minor: 30 }))
  assert.deepEqual(older.errnos(), [71])
})

test('nothing is done before INIT, and nothing after DESTROY', () => {
  const kernel = new Kernel()
  kernel.lookup()
  kernel.session.receive(initMessage())
  kernel.session.receive(kernelMessage({ opcode: 'DESTROY' }))
  kernel.lookup()
  assert.deepEqual(kernel.errnos(), [5, 0, 0, 5])
  assert.equal(kernel.session.state, 'ended')
})

test('the number of a request goes back bit for bit, also of one that is sent again', async () => {
  const uniques = [2n, 0xffff_ffffn, 2n ** 63n + 4n, 2n ** 53n + 2n]
  for (const lookup of [() => ENTRY, () => Promise.resolve(ENTRY)]) {
    const kernel = Kernel.begun({ lookup })
    for (const unique of uniques) kernel.lookup(unique)
    await new Promise(setImmediate)
    assert.deepEqual(
      kernel.replies.map(({ unique }) => unique),
      uniques,
    )
    assert.equal(kernel.session.pending, 0)
  }
})

test('errors become the numbers that programs know, whether returned, thrown or rejected', async () => {
  const answers: readonly [FuseOperations['lookup'], number][] = [
    [() => refusal('ENOENT'), 2],
    [
      () => {
        throw refusal('EACCES')
      },
      13,
    ],
    [() => Promise.resolve(refusal('EROFS')), 30],
    [() => Promise.reject(new ShoalError('QUOTA_EXCEEDED', 'Full')), 122],
    [
      () => {
        throw new ShoalError('LOCKED', 'Locked')
      },
      16,
    ],
    [() => Promise.reject(new TypeError('A defect')), 5],
  ]
  for (const [lookup, errno] of answers) {
    const kernel = Kernel.begun({ lookup })
    kernel.lookup()
    await new Promise(setImmediate)
    assert.deepEqual(kernel.errnos(), [errno])
    assert.equal(kernel.errors.length, errno === 5 ? 1 : 0)
  }
})

test('what the file system never does, and what nobody knows, is ENOSYS', () => {
  const kernel = Kernel.begun()
  kernel.session.receive(kernelMessage({ opcode: 'FALLOCATE', fixedEnd: 72 }))
  kernel.session.receive(kernelMessage({ opcode: 4000 }))
  assert.deepEqual(kernel.errnos(), [38, 38])
})

test('forgets have no answer, not even when they make no sense', () => {
  const kernel = Kernel.begun()
  kernel.session.receive(kernelMessage({ opcode: 'FORGET', nodeId: 5, fixedEnd: 48, fields: [[40, 8, 2]] }))
  kernel.session.receive(kernelMessage({ opcode: 'BATCH_FORGET', fixedEnd: 48, fields: [[40, 4, 1_000_000]] }))
  assert.deepEqual(kernel.replies, [])
  assert.deepEqual(kernel.forgotten, [{ nodeId: 5, lookups: 2 }])
})

test('extensions behind a request are no part of it', () => {
  const names: string[] = []
  const kernel = Kernel.begun({ create: ({ name }) => (names.push(name), refusal('EPERM')) })
  kernel.session.receive(kernelMessage({ opcode: 'CREATE', fixedEnd: 56, names: ['n'], extensionBytes: 16 }))
  assert.deepEqual(names, ['n'])
})

test('a message that contradicts itself is answered EPROTO, a fragment not at all', () => {
  const kernel = Kernel.begun()
  const message = kernelMessage({ opcode: 'LOOKUP', unique: 6n, names: ['a'] })
  kernel.session.receive(message.subarray(0, -1))
  kernel.session.receive(message.subarray(0, 39))
  assert.deepEqual(
    kernel.replies.map(({ unique, errno }) => [unique, errno]),
    [[6n, 71]],
  )
})

test('an interrupt reaches the request it is for, and no other', async () => {
  const waiting = (_: unknown, { signal }: { readonly signal: AbortSignal }) =>
    new Promise<ReturnType<typeof refusal>>((resolve) => signal.addEventListener('abort', () => resolve(refusal('EINTR'))))
  const kernel = Kernel.begun({ lookup: waiting })
  kernel.lookup(2n)
  kernel.lookup(4n)
  kernel.interrupt(4n)
  kernel.interrupt(100n)
  await new Promise(setImmediate)
  assert.deepEqual(
    kernel.replies.map(({ unique, errno }) => [unique, errno]),
    [[4n, 4]],
  )
  assert.equal(kernel.session.pending, 1)
})

test('a signal that is looked at after the interrupt is aborted already', async () => {
  const kernel = Kernel.begun({
    lookup: async (_, caller) => {
      await new Promise(setImmediate)
      return caller.signal.aborted ? refusal('EINTR') : ENTRY
    },
  })
  kernel.lookup(2n)
  kernel.interrupt(2n)
  await new Promise((resolve) => setTimeout(resolve, 5))
  assert.deepEqual(kernel.errnos(), [4])
})

test('what takes too long is answered ETIMEDOUT once, and undone when it comes after all', async () => {
  const late = Promise.withResolvers<typeof ENTRY>()
  const opened = Promise.withResolvers<{ handle: number; flags: number }>()
  const kernel = Kernel.begun({ lookup: () => late.promise, open: () => opened.promise })
  kernel.lookup(2n)
  kernel.session.receive(kernelMessage({ opcode: 'OPEN', unique: 4n, fixedEnd: 48 }))
  kernel.nowMs = 999
  kernel.session.expire()
  assert.deepEqual(kernel.replies, [])
  kernel.nowMs = 1000
  kernel.session.expire()
  kernel.session.expire()
  assert.deepEqual(kernel.errnos(), [110, 110])
  late.resolve(ENTRY)
  opened.resolve({ handle: 77, flags: 0 })
  await new Promise(setImmediate)
  assert.equal(kernel.replies.length, 2)
  assert.deepEqual(kernel.forgotten, [{ nodeId: 9, lookups: 1 }])
  assert.deepEqual(kernel.released, [77])
})

test('who is being killed gets an answer although his request has none, and nobody else', async () => {
  const kernel = Kernel.begun({ lookup: () => new Promise<never>(() => undefined) })
  kernel.lookup(2n)
  kernel.lookup(4n)
  kernel.interrupt(2n)
  kernel.session.expire()
  assert.deepEqual(kernel.errnos(), [])
  kernel.isEnding = true
  kernel.session.expire()
  kernel.session.expire()
  assert.deepEqual(kernel.errnos(), [4])
  assert.equal(kernel.session.pending, 1)
})

test('an entry or a file whose answer the kernel no longer wants is given back', () => {
  const kernel = Kernel.begun({ create: () => ({ ...ENTRY, handle: 5, flags: 0 }) })
  kernel.isWaiting = false
  kernel.session.receive(kernelMessage({ opcode: 'CREATE', fixedEnd: 56, names: ['n'] }))
  assert.deepEqual(kernel.forgotten, [{ nodeId: 9, lookups: 1 }])
  assert.deepEqual(kernel.released, [5])
})

test('waits for locks are bounded and have no time limit; all other waits fill the session', async () => {
  const never = () => new Promise<never>(() => undefined)
  const kernel = Kernel.begun({ setlkw: never, lookup: never })
  const lock = (unique: number) => kernelMessage({ opcode: 'SETLKW', unique: BigInt(unique), fixedEnd: 88 })
  for (let at = 1; at <= 1025; at += 1) kernel.session.receive(lock(at * 2))
  assert.deepEqual(kernel.errnos(), [37])
  kernel.nowMs = 10_000
  kernel.session.expire()
  assert.equal(kernel.session.pending, 1024)
  for (let at = 2000; !kernel.session.isFull; at += 1) kernel.lookup(BigInt(at * 2))
  assert.equal(kernel.session.pending, 4096)
  kernel.session.end()
  assert.equal(kernel.replies.length, 1 + 4096)
  assert.equal(kernel.replies.at(-1)?.errno, 19)
})

test('the length of an attribute is told when asked for, and too little room is ERANGE', () => {
  const kernel = Kernel.begun({ getxattr: () => Buffer.from('value') })
  const ask = (bytes: number) =>
    kernel.session.receive(kernelMessage({ opcode: 'GETXATTR', fixedEnd: 48, fields: [[40, 4, bytes]], names: ['user.a'] }))
  ask(0)
  ask(4)
  ask(5)
  assert.deepEqual(kernel.errnos(), [0, 34, 0])
  assert.equal(kernel.replies[0]?.body.readUInt32LE(0), 5)
  assert.equal(kernel.replies[2]?.body.toString(), 'value')
})

test('both ways to copy a range answer as the kernel reads it', () => {
  const kernel = Kernel.begun({ copyFileRange: ({ lengthBytes }) => lengthBytes })
  for (const opcode of [OPCODES.COPY_FILE_RANGE, OPCODES.COPY_FILE_RANGE_64]) {
    kernel.session.receive(kernelMessage({ opcode, fixedEnd: 96, fields: [[80, 8, 2 ** 31]] }))
  }
  assert.deepEqual(
    kernel.replies.map(({ body }) => body.readBigUInt64LE()),
    [2n ** 31n, 2n ** 31n],
  )
})
