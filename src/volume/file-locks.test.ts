import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { MAX_RANGES } from '#metadata/file-locks.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { type FileLockChange, type FileLocks, LOCK_END } from './file-locks.ts'
import { caller, openFixture, p } from './volume-fixture.suite.ts'

const LEASE_MS = 30_000
const MOUNT = 'ab'.repeat(16)

async function open(t: TestContext) {
  const clock = new ManualClock()
  const { volumes, volume, kv } = await openFixture({ clock: clock as never })
  const { attributes } = await volume.writeFile(p('f'), Buffer.from('x'), { caller })
  volumes.start()
  t.after(() => volumes.stop())
  const locks = volume.fileLocks as FileLocks
  const begin = async (): Promise<string> =>
    (await locks.begin({ caller, mount: MOUNT, about: 'test:/mnt', leaseMs: LEASE_MS })).session
  const lock = (session: string, more: Partial<FileLockChange> = {}): FileLockChange => ({
    inode: attributes.inode,
    session,
    family: 'posix',
    owner: '00000000000000aa',
    kind: 'write',
    start: 0n,
    end: LOCK_END,
    pid: 1,
    ...more,
  })
  const state = async (change: FileLockChange): Promise<string> => (await locks.change(change, caller)).state
  return { clock, volumes, volume, kv, locks, begin, lock, state, inode: attributes.inode }
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

const refused = (code: string) => (error: unknown) => isShoalError(error, code as never)

const BYTES = 8
const anyStep = fc.record({
  session: fc.integer({ min: 0, max: 1 }),
  owner: fc.integer({ min: 0, max: 1 }),
  isFlock: fc.integer({ min: 0, max: 4 }).map((one) => one === 0),
  kind: fc.constantFrom('read', 'write', 'unlock'),
  range: fc.tuple(fc.integer({ min: 0, max: BYTES - 1 }), fc.integer({ min: 0, max: BYTES - 1 })),
})

test('locks of two mounts are given and refused as a model says that has one word for each byte and owner', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 40 }), async (steps) => {
      const { locks, begin, lock, state } = await open(t)
      const sessions = [await begin(), await begin()]
      const model = new Map<string, (string | undefined)[]>()
      const bytesOf = (name: string) => model.get(name) ?? model.set(name, Array.from({ length: BYTES })).get(name)!
      for (const step of steps) {
        const [a, b] = step.range
        const [from, to] = step.isFlock ? [0, BYTES - 1] : [Math.min(a, b), Math.max(a, b)]
        const family = step.isFlock ? 'flock' : 'posix'
        const name = `${family} ${step.session} ${step.owner}`
        const own = bytesOf(name)
        if (step.isFlock && own[0] !== step.kind) own.fill(undefined)
        let isFree = true
        for (const [other, bytes] of model) {
          if (other === name || !other.startsWith(family) || step.kind === 'unlock') continue
          for (let at = from; at <= to; at += 1) {
            if (bytes[at] !== undefined && (bytes[at] === 'write' || step.kind === 'write')) isFree = false
          }
        }
        const change = lock(sessions[step.session] as string, {
          family,
          owner: `000000000000000${step.owner}`,
          kind: step.kind as FileLockChange['kind'],
          start: BigInt(from),
          end: BigInt(to),
        })
        const { kind } = change
        if (kind !== 'unlock') assert.equal((await locks.find({ ...change, kind }, caller)) === undefined, isFree)
        assert.equal(await state(change), isFree ? 'done' : 'held')
        if (isFree) own.fill(step.kind === 'unlock' ? undefined : step.kind, from, to + 1)
      }
    }),
    { numRuns: 40 },
  )
})

test('those who wait are served in the order in which they came', async (t) => {
  const { locks, begin, lock, state } = await open(t)
  const [one, two, three] = [await begin(), await begin(), await begin()]
  await state(lock(one))
  const served: string[] = []
  const waits = [two, three].map((session) =>
    locks
      .change(lock(session), caller, { ticket: '1', waitMs: 60_000 })
      .then(({ state: end }) => served.push(`${session} ${end}`)),
  )
  await turns()
  assert.deepEqual(served, [])
  await state(lock(one, { kind: 'unlock' }))
  await turns()
  assert.deepEqual(served, [`${two} done`])
  await state(lock(two, { kind: 'unlock' }))
  await Promise.all(waits)
  assert.deepEqual(served, [`${two} done`, `${three} done`])
})

test('a reader stands behind a writer that waits, and no longer than five seconds', async (t) => {
  const { clock, locks, begin, lock, state } = await open(t)
  const [one, two, three] = [await begin(), await begin(), await begin()]
  await state(lock(one, { kind: 'read' }))
  let written = false
  void locks.change(lock(two), caller, { ticket: '1', waitMs: 20_000 }).then(({ state: end }) => (written = end === 'done'))
  await turns()
  let read: string | undefined
  void locks.change(lock(three, { kind: 'read' }), caller, { ticket: '1', waitMs: 20_000 }).then((end) => (read = end.state))
  await turns()
  assert.equal(read, undefined)
  // Who doesn't wait is refused by locks only.
  assert.equal(await state(lock(three, { kind: 'read', owner: '00000000000000bb' })), 'done')
  clock.advance(5_000)
  await turns()
  assert.equal(read, 'done')
  assert.equal(written, false)
})

test('whoever has locked some of the file stands behind nobody', async (t) => {
  const { locks, begin, lock, state } = await open(t)
  const [one, two] = [await begin(), await begin()]
  await state(lock(one, { kind: 'read', end: 9n }))
  void locks.change(lock(two), caller, { ticket: '1', waitMs: 20_000 })
  await turns()
  const more = lock(one, { kind: 'read', start: 20n, end: 29n })
  assert.equal((await locks.change(more, caller, { ticket: '2', waitMs: 20_000 })).state, 'done')
})

test('a wait ends when its time is over or its connection is cut, and the place is kept for whoever asks again', async (t) => {
  const { clock, locks, begin, lock, state } = await open(t)
  const [one, two, three] = [await begin(), await begin(), await begin()]
  await state(lock(one))
  const late = locks.change(lock(two), caller, { ticket: '7', waitMs: 1_000 })
  const cut = new AbortController()
  const behind = locks.change(lock(three), caller, { ticket: '7', waitMs: 60_000, signal: cut.signal })
  await turns()
  clock.advance(1_000)
  assert.deepEqual(await late, { state: 'waiting' })
  cut.abort()
  assert.deepEqual(await behind, { state: 'waiting' })
  const again = [three, two].map((session) => locks.change(lock(session), caller, { ticket: '7', waitMs: 60_000 }))
  await turns()
  await state(lock(one, { kind: 'unlock' }))
  assert.equal((await again[1])?.state, 'done')
  assert.equal(await locks.cancel({ ...lock(three), kind: 'write' }, '7', caller), false)
  assert.equal(await locks.cancel({ ...lock(two), kind: 'write' }, '7', caller), true)
})

test('a session that is not heard of for longer than its lease loses its locks, and whoever waits gets them', async (t) => {
  const { clock, locks, begin, lock, state } = await open(t)
  const [dead, alive] = [await begin(), await begin()]
  await state(lock(dead))
  const got = locks.change(lock(alive), caller, { ticket: '1', waitMs: 120_000 })
  for (let renewal = 0; renewal < 4; renewal += 1) {
    await turns()
    assert.equal(await state(lock(alive, { kind: 'read', owner: '00000000000000cc' })), 'held')
    clock.advance(10_000)
    await turns()
    await locks.renew(alive, caller)
  }
  clock.advance(1_000)
  await turns()
  assert.equal((await got).state, 'done')
  await assert.rejects(locks.renew(dead, caller), refused('PRECONDITION_FAILED'))
  await assert.rejects(state(lock(dead)), refused('PRECONDITION_FAILED'))
})

test('whoever leads next finds the locks, and gives each session its whole lease again', async (t) => {
  const { clock, volumes, kv, begin, lock, state } = await open(t)
  const [one, two] = [await begin(), await begin()]
  await state(lock(one))
  await volumes.stop()
  clock.advance(10 * LEASE_MS)
  const next = await openFixture({ clock: clock as never, kv })
  next.volumes.start()
  t.after(() => next.volumes.stop())
  const locks = next.volume.fileLocks as FileLocks
  await turns()
  assert.equal((await locks.change(lock(two), caller)).state, 'held')
  clock.advance(LEASE_MS - 1_000)
  await turns()
  await locks.renew(two, caller)
  assert.equal((await locks.change(lock(two), caller)).state, 'held')
  clock.advance(2_000)
  await turns()
  assert.equal((await locks.change(lock(two), caller)).state, 'done')
})

test('locks go with their file, at the end of their session, and only their principal has to do with them', async (t) => {
  const { volume, locks, begin, lock, state } = await open(t)
  const [one, two] = [await begin(), await begin()]
  await state(lock(one))
  await assert.rejects(locks.end(one, { principal: 'other' }), refused('FORBIDDEN'))
  await assert.rejects(locks.change(lock(one), { principal: 'other' }), refused('FORBIDDEN'))
  assert.equal(await state(lock(two)), 'held')
  await locks.end(one, caller)
  await locks.end(one, caller)
  assert.equal(await state(lock(two)), 'done')
  await volume.remove(p('f'), { caller })
  await assert.rejects(state(lock(two)), refused('NOT_FOUND'))
  await assert.rejects(state(lock(two, { inode: 999 as InodeId })), refused('NOT_FOUND'))
})

test('one owner has no more ranges of a file than the limit, and may give any of them up', async (t) => {
  const { locks, begin, lock, state } = await open(t)
  const one = await begin()
  const range = (at: number) => ({ start: BigInt(at * 2), end: BigInt(at * 2) })
  await Promise.all(Array.from({ length: MAX_RANGES }, (_, at) => state(lock(one, range(at)))))
  await assert.rejects(state(lock(one, range(MAX_RANGES))), refused('TOO_LARGE'))
  assert.equal(await state(lock(one, { kind: 'unlock', ...range(5) })), 'done')
  assert.equal(await state(lock(one, range(MAX_RANGES))), 'done')
  assert.equal(await locks.find({ ...lock(await begin()), kind: 'read', ...range(5) }, caller), undefined)
})
