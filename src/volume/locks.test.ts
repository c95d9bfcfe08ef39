import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, isShoalError } from '#foundation/errors.ts'
import { entityTag } from '#metadata/attributes.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { StateTerm, WriteGuard } from './locks.ts'
import { caller, type Fixture, openFixture, p } from './volume-fixture.suite.ts'

const NONE: WriteGuard = { lists: [], tokens: [] }
const other = { principal: 'somebody else' }
const holding = (...tokens: string[]): WriteGuard => ({ lists: [], tokens })
const has = (kind: StateTerm['kind'], value: string, isNegated = false): StateTerm => ({ kind, value, isNegated })

async function setUp(options: Parameters<typeof openFixture>[0] = {}) {
  const fixture = await openFixture(options)
  const { volume } = fixture
  const write = (path: string, guard?: WriteGuard, who = caller) =>
    volume.writeFile(p(path), Buffer.from(path), { caller: who, ...(guard === undefined ? {} : { guard }) })
  const lock = async (
    path: string,
    { scope = 'exclusive' as 'exclusive' | 'shared', isDeep = false, guard = NONE, timeoutMs = 60_000, who = caller } = {},
  ) => (await volume.locks.take(p(path), { scope, isDeep, owner: 'me' }, { caller: who, guard, timeoutMs })).lock
  for (const path of ['a', 'a/b']) await volume.makeDirectory(p(path), { caller })
  for (const path of ['a/one', 'a/b/two', 'three']) await write(path)
  return { ...fixture, write, lock }
}

const refusal = (code: ErrorCode, path?: string) => (error: unknown) =>
  isShoalError(error, code) && (path === undefined || error.details['path'] === path)

test('a locked file is changed with the token of its lock alone, and only by who took it', async () => {
  const { volume, write, lock } = await setUp()
  const { token } = await lock('a/one')
  const locked = refusal('LOCKED', 'a/one')
  await assert.rejects(write('a/one', NONE), locked)
  await assert.rejects(write('a/one', holding('00')), locked)
  await assert.rejects(write('a/one', holding(token), other), locked)
  await assert.rejects(volume.remove(p('a/one'), { caller, guard: NONE }), locked)
  await assert.rejects(volume.remove(p('a'), { caller, recursive: true, guard: NONE }), locked)
  await assert.rejects(volume.rename(p('a/one'), p('x'), { caller, guard: NONE }), locked)
  await assert.rejects(volume.rename(p('three'), p('a/one'), { caller, guard: NONE }), locked)
  await assert.rejects(volume.rename(p('a'), p('x'), { caller, guard: NONE }), locked)
  await assert.rejects(volume.copy(p('three'), p('a/one'), { caller, guard: NONE }), locked)
  const update = () => ({ value: Buffer.from('x') })
  await assert.rejects(volume.updateXattr(p('a/one'), 'user.x', { caller, guard: NONE, update }), locked)
  await write('a/other', NONE)
  await write('a/one', holding(token))
  await volume.updateXattr(p('a/one'), 'user.x', { caller, guard: holding(token), update })
  await volume.copy(p('a/one'), p('copy'), { caller, guard: NONE })
  await write('copy', NONE)
  await volume.locks.giveUp(p('a/one'), token, caller)
  await write('a/one', NONE)
})

test('a large body that comes while a lock is taken is refused when it would become the file', async () => {
  const { volume, lock } = await setUp()
  async function* body() {
    yield Buffer.alloc(12 * 1024 * 1024)
    await lock('a/one')
    yield Buffer.alloc(1024 * 1024)
  }
  await assert.rejects(volume.writeFile(p('a/one'), body(), { caller, guard: NONE }), refusal('LOCKED'))
  assert.equal((await volume.stat(p('a/one')))?.sizeBytes, 5)
})

test('what is changed without a guard passes locks by, as the other doors do', async () => {
  const { volume, write, lock } = await setUp()
  const { token } = await lock('a/one')
  await write('a/one')
  await volume.rename(p('a/one'), p('moved'), { caller })
  await assert.rejects(write('moved', NONE), refusal('LOCKED', 'moved'))
  await volume.remove(p('moved'), { caller })
  await write('moved', NONE)
  await assert.rejects(volume.locks.giveUp(p('moved'), token, caller), refusal('CONFLICT'))
})

test('a lock on a directory guards its names; a deep one everything below it', async () => {
  const { volume, write, lock } = await setUp()
  const { token } = await lock('a')
  await assert.rejects(write('a/new', NONE), refusal('LOCKED', 'a'))
  await assert.rejects(volume.remove(p('a/one'), { caller, guard: NONE }), refusal('LOCKED', 'a'))
  await assert.rejects(volume.makeDirectory(p('a/new'), { caller, guard: NONE }), refusal('LOCKED', 'a'))
  await assert.rejects(lock('a/new'), refusal('LOCKED', 'a'))
  await write('a/one', NONE)
  await write('a/b/new', NONE)
  await write('a/new', holding(token))
  await volume.locks.giveUp(p('a'), token, caller)
  const deep = await lock('a', { isDeep: true })
  await assert.rejects(write('a/one', NONE), refusal('LOCKED', 'a'))
  await assert.rejects(write('a/b/two', NONE), refusal('LOCKED', 'a'))
  await write('a/b/two', holding(deep.token))
  await volume.locks.refresh(p('a/b/two'), { caller, guard: holding(deep.token), timeoutMs: 1_000 })
  await volume.locks.giveUp(p('a/b/two'), deep.token, caller)
  await write('a/b/two', NONE)
})

test('shared locks live together, and one of them is enough; an exclusive one tolerates none', async () => {
  const { volume, write, lock } = await setUp()
  const conflict = (path: string) => (error: unknown) =>
    refusal('LOCKED', path)(error) && isShoalError(error) && error.details['isConflict'] === true
  const first = await lock('a/b/two', { scope: 'shared' })
  const second = await lock('a/b/two', { scope: 'shared', who: other })
  await assert.rejects(write('a/b/two', NONE), refusal('LOCKED'))
  await write('a/b/two', holding(first.token))
  await write('a/b/two', holding(second.token), other)
  await assert.rejects(lock('a/b/two'), conflict('a/b/two'))
  await assert.rejects(lock('a', { isDeep: true }), conflict('a/b/two'))
  await lock('a', { isDeep: true, scope: 'shared' })
  await assert.rejects(lock('a/one'), conflict('a'))
  await assert.rejects(volume.locks.giveUp(p('a/b/two'), second.token, caller), refusal('FORBIDDEN'))
  await lock('three')
  await assert.rejects(lock('three', { scope: 'shared' }), conflict('three'))
})

test('a lock on a free name makes an empty file; without its directory it is refused', async () => {
  const { volume, lock, write } = await setUp()
  const { token } = await lock('new')
  assert.equal((await volume.stat(p('new')))?.sizeBytes, 0)
  await assert.rejects(write('new', NONE), refusal('LOCKED'))
  await write('new', holding(token))
  await assert.rejects(lock('none/new'), refusal('NOT_FOUND'))
})

test('locks end by themselves, are lengthened by a refresh, and are removed in the background', async () => {
  const { volume, volumes, write, lock, clock } = await setUp()
  const { token } = await lock('three', { timeoutMs: 10_000 })
  clock.advance(9_000)
  await volume.locks.refresh(p('three'), { caller, guard: holding(token), timeoutMs: 10_000 })
  clock.advance(9_000)
  await volumes.collect()
  await assert.rejects(write('three', NONE), refusal('LOCKED'))
  clock.advance(1_001)
  await write('three', NONE)
  await assert.rejects(
    volume.locks.refresh(p('three'), { caller, guard: holding(token), timeoutMs: 10_000 }),
    refusal('PRECONDITION_FAILED'),
  )
  assert.equal(await countLocks({ volume }), 0)
  const { timeoutMs } = await lock('three', { timeoutMs: Number.MAX_SAFE_INTEGER })
  assert.equal(timeoutMs, 24 * 60 * 60 * 1000)
  clock.advance(timeoutMs)
  await volumes.collect()
  assert.equal(await countLocks({ volume }), 0)
})

async function countLocks({ volume }: Pick<Fixture, 'volume'>): Promise<number> {
  const { covering, below } = await volume.locks.find([])
  return covering.length + below.length
}

test('a move leaves locks behind, and what is moved comes under the locks of what it replaces', async () => {
  const { volume, write, lock } = await setUp()
  const moved = await lock('a/b/two')
  await volume.rename(p('a/b'), p('c'), { caller, guard: holding(moved.token) })
  await write('c/two', NONE)
  const replaced = await lock('three')
  await volume.rename(p('c/two'), p('three'), { caller, guard: holding(replaced.token) })
  await assert.rejects(write('three', NONE), refusal('LOCKED', 'three'))
  await write('three', holding(replaced.token))
  assert.equal(await countLocks({ volume }), 1)
})

test('every name of a file is locked with it', async () => {
  const { volume, write, lock } = await setUp()
  await volume.link(p('a/one'), p('linked'), caller)
  await volume.makeSymlink(p('symlink'), Buffer.from('a/one'), { caller })
  const { token } = await lock('linked')
  for (const path of ['a/one', 'linked', 'symlink']) {
    await assert.rejects(write(path, NONE), refusal('LOCKED', path))
    await write(path, holding(token))
  }
  await assert.rejects(volume.remove(p('linked'), { caller, guard: NONE }), refusal('LOCKED'))
})

test('a condition holds if one of its lists does, each with all of its terms, in the step of the change', async () => {
  const { volume, write, lock } = await setUp()
  const { attributes } = await write('three')
  const { token } = await lock('three')
  const etag = has('etag', entityTag(attributes))
  const good = { path: p('three'), terms: [has('token', token), etag, has('token', 'no-lock', true)] }
  const bad = { path: p('three'), terms: [has('token', token), has('etag', '"other"')] }
  const elsewhere = { path: undefined, terms: [has('token', token)] }
  await assert.rejects(write('three', { lists: [bad, elsewhere], tokens: [token] }), refusal('PRECONDITION_FAILED'))
  await write('three', { lists: [bad, good], tokens: [token] })
  await assert.rejects(write('three', { lists: [good], tokens: [token] }), refusal('PRECONDITION_FAILED'), 'the tag is another')
  await assert.rejects(volume.locks.check([], { caller, guard: { lists: [bad], tokens: [] } }), refusal('PRECONDITION_FAILED'))
  const missing = { path: p('none/none'), terms: [has('token', token, true), has('etag', '"x"', true)] }
  await write('other', { lists: [missing], tokens: [] })
})

test('locks survive a restart', async () => {
  const kv = openMemoryStore()
  const { lock, clock, chunks } = await setUp({ kv })
  await lock('a/one')
  const { volume } = await openFixture({ kv, clock, chunks })
  await assert.rejects(volume.writeFile(p('a/one'), Buffer.from('x'), { caller, guard: NONE }), refusal('LOCKED'))
})

test('of many that lock one file exactly one succeeds', async () => {
  const { lock } = await setUp()
  const results = await Promise.allSettled(Array.from({ length: 50 }, () => lock('three')))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('an owner that is too long is refused', async () => {
  const { volume } = await setUp()
  const options = { caller, guard: NONE, timeoutMs: 1_000 }
  const lock = { scope: 'shared', isDeep: false, owner: 'é'.repeat(2_049) } as const
  await assert.rejects(volume.locks.take(p('three'), lock, options), refusal('TOO_LARGE'))
})
