import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { LockToChange, RemoteLockAnswer, SessionCalls } from '#client/session-calls.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { MountLock, WantedLock } from '#gateway/fuse/file-lock-service.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { LockSession } from './lock-session.ts'
import type { NotedSession, SessionNote } from './session-note.ts'

const LEASE_MS = 30_000
const DONE: RemoteLockAnswer = { state: 'done', etag: '"7-2"', ctime: '2026-11-26T12:00:00.000000001Z' }
const wanted = {
  inode: 7 as InodeId,
  family: 'posix',
  owner: '00000000000000aa',
  kind: 'write',
  start: 0n,
  end: 9n,
  pid: 1,
} as const satisfies WantedLock
const unlock: MountLock = { ...wanted, kind: 'unlock' }

interface LockWait {
  readonly ticket: string
  readonly waitMs: number
}

const turns = async () => {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** A node that answers as it is told: `fail` is thrown instead. */
async function begin(t: TestContext) {
  const clock = new ManualClock()
  const node = {
    fail: undefined as ShoalError | undefined,
    answer: DONE as RemoteLockAnswer,
    said: [] as string[],
    sessions: 0,
    isHeld: false,
    /** Whoever waits for `wanted` waits for ever. */
    holds: false,
  }
  const say = (what: string): void => {
    node.said.push(what)
    if (node.fail !== undefined) throw node.fail
  }
  const sessions = {
    begin: async () => {
      node.said.push('begin')
      node.sessions += 1
      return { session: `session-${node.sessions}`, leaseMs: LEASE_MS }
    },
    renew: async (_: string, session: string) => say(`renew ${session}`),
    end: async (_: string, session: string) => say(`end ${session}`),
    change: async (_: string, session: string, { lock, wait }: { lock: LockToChange; wait?: LockWait }) => {
      say(`${lock.kind} ${session}${wait === undefined ? '' : ` ${wait.ticket}`}`)
      if (!node.holds || wait === undefined || lock.start !== wanted.start) return node.answer
      if (wait.waitMs > 0) await new Promise(() => undefined)
      return { state: 'waiting' }
    },
    cancel: async () => {
      say('cancel')
      return node.isHeld
    },
  } as unknown as SessionCalls
  const session = await LockSession.begin({
    sessions,
    volume: 'docs',
    mountId: 'ab'.repeat(16),
    about: '',
    clock,
    log: silentLog,
  })
  assert.ok(session !== undefined)
  t.after(() => session.end())
  return { clock, node, session }
}

const unreachable = new ShoalError('UNAVAILABLE', 'Nobody there')
const ended = new ShoalError('PRECONDITION_FAILED', 'The session has ended')

test('a session is believed in for its lease from when its last renewal was sent, and again when it is renewed after all', async (t) => {
  const { clock, node, session } = await begin(t)
  const { term } = session
  node.fail = unreachable
  clock.advance(LEASE_MS - 1)
  await turns()
  assert.equal(term.isAlive, true)
  clock.advance(1)
  assert.equal(term.isAlive, false)
  node.fail = undefined
  clock.advance(LEASE_MS / 3)
  await turns()
  assert.equal(term.isAlive, true)
  assert.equal(session.term, term)
})

test('a session that has ended is followed by another one at once, and stays ended', async (t) => {
  const { node, session } = await begin(t)
  const { term } = session
  node.fail = ended
  await assert.rejects(session.change(wanted), (error) => isShoalError(error, 'PRECONDITION_FAILED'))
  node.fail = undefined
  await turns()
  assert.equal(term.isAlive, false)
  assert.notEqual(session.term, term)
  assert.deepEqual(await session.change(wanted), { version: 2, ctimeNs: 1_795_694_400_000_000_001n })
  assert.equal(node.said.at(-1), 'write session-2')
})

test('what could not be given up is given up before it is taken anew, or with the next renewal', async (t) => {
  const { clock, node, session } = await begin(t)
  node.fail = unreachable
  assert.equal(await session.change(unlock), undefined)
  await assert.rejects(session.change(wanted), (error) => isShoalError(error, 'UNAVAILABLE'))
  node.fail = undefined
  node.said.length = 0
  await session.change(wanted)
  assert.deepEqual(node.said, ['unlock session-1', 'write session-1'])
  node.fail = unreachable
  await session.change(unlock)
  node.fail = undefined
  node.said.length = 0
  clock.advance(LEASE_MS / 3)
  await turns()
  assert.deepEqual(node.said, ['renew session-1', 'unlock session-1'])
})

test('what is gone with its file need not be given up', async (t) => {
  const { session, node } = await begin(t)
  node.fail = new ShoalError('NOT_FOUND', 'There is no such file')
  await assert.rejects(session.change(wanted), { code: 'NOT_FOUND' })
  assert.equal(await session.change(unlock), undefined)
  node.fail = undefined
  node.said.length = 0
  await session.change(wanted)
  assert.deepEqual(node.said, ['write session-1'])
})

test('a wait asks again with the same ticket, also when the node is away for a moment, and is cancelled at the node', async (t) => {
  const { clock, node, session } = await begin(t)
  node.answer = { state: 'waiting' }
  const stop = new AbortController()
  node.fail = unreachable
  const waiting = session.wait(wanted, stop.signal)
  await turns()
  node.fail = undefined
  node.answer = DONE
  clock.advance(1_000)
  assert.equal((await waiting).version, 2)
  assert.deepEqual(node.said.slice(1), ['write session-1 1', 'write session-1 1'])
  node.fail = unreachable
  const cancelled = session.wait(wanted, stop.signal)
  await turns()
  node.fail = undefined
  stop.abort()
  await assert.rejects(cancelled, (error) => isShoalError(error, 'CANCELLED'))
  assert.equal(node.said.at(-1), 'cancel')
  // It was given in the moment in which it was cancelled.
  node.fail = unreachable
  const again = new AbortController()
  const given = session.wait(wanted, again.signal)
  await turns()
  node.fail = undefined
  node.isHeld = true
  again.abort()
  assert.equal((await given).version, 2)
})

test('what is free is had at once, however many wait for something else', async (t) => {
  const { node, session } = await begin(t)
  const stop = new AbortController()
  node.holds = true
  for (let waits = 0; waits < 40; waits += 1) session.wait(wanted, stop.signal).catch(() => undefined)
  await turns()
  assert.equal((await session.wait({ ...wanted, start: 10n }, stop.signal)).version, 2)
})

/** Takes over from mounts that were killed; `written` is what the note says, each time. */
function takeOver(session: LockSession, sent: () => Promise<void>) {
  const written: string[][] = []
  const write = (sessions: readonly NotedSession[]): number => written.push(sessions.map((one) => one.session))
  const former = ['dead-1', 'dead-2'].map((dead) => ({ session: dead, leaseMs: LEASE_MS }))
  const note = { former, write, close: async () => undefined } as unknown as SessionNote
  session.takeOver({ takeNote: () => note, sent })
  return written
}

test('nobody gets a lock before what mounts that were killed had changed is sent, and their locks are given up', async (t) => {
  const { clock, node, session } = await begin(t)
  let isSent = false
  const written = takeOver(session, async () => {
    if (!isSent) throw unreachable
  })
  const stop = new AbortController()
  const changed = session.change(wanted)
  const waited = session.wait(wanted, new AbortController().signal)
  const cancelled = session.wait(wanted, stop.signal)
  await turns()
  assert.deepEqual(node.said, ['begin'])
  stop.abort()
  await assert.rejects(cancelled, (error) => isShoalError(error, 'CANCELLED'))
  isSent = true
  node.fail = unreachable
  clock.advance(1_000)
  await turns()
  assert.deepEqual(node.said.splice(0), ['begin', 'end dead-1'])
  node.fail = undefined
  clock.advance(1_000)
  await Promise.all([changed, waited])
  assert.deepEqual(node.said.slice(0, 3), ['end dead-1', 'end dead-2', 'write session-1'])
  // Killed in between, this one leaves all three to the next.
  assert.deepEqual(written.splice(0), [['dead-1', 'dead-2', 'session-1'], ['session-1']])
  await session.end()
  assert.deepEqual(written, [[]])
})

test('locks of a mount that was killed are waited for no longer than its lease, or until they can’t be given up', async (t) => {
  const first = await begin(t)
  takeOver(first.session, () => new Promise(() => undefined))
  const late = first.session.change(wanted)
  await turns()
  first.clock.advance(LEASE_MS)
  await turns()
  assert.ok(!first.node.said.includes('write session-1'))
  first.clock.advance(2_000)
  assert.equal((await late)?.version, 2)
  const refused = await begin(t)
  takeOver(refused.session, async () => {
    throw new ShoalError('QUOTA_EXCEEDED', 'The volume is full')
  })
  await refused.session.change(wanted)
  assert.deepEqual(refused.node.said, ['begin', 'end dead-1', 'end dead-2', 'write session-1'])
  const second = await begin(t)
  second.node.fail = new ShoalError('FORBIDDEN', 'Somebody else’s')
  takeOver(second.session, async () => undefined)
  await turns()
  second.node.fail = undefined
  assert.equal((await second.session.change(wanted))?.version, 2)
})

test('a note that an earlier mount has still is taken when that is over', async (t) => {
  const { clock, session } = await begin(t)
  const notes: SessionNote[] = []
  const written: string[][] = []
  session.takeOver({ takeNote: () => notes[0], sent: async () => undefined })
  const write = (sessions: readonly NotedSession[]): number => written.push(sessions.map((one) => one.session))
  notes.push({ former: [], write, close: async () => undefined } as unknown as SessionNote)
  clock.advance(LEASE_MS / 3)
  await turns()
  assert.deepEqual(written, [['session-1']])
})

test('a volume whose locks hold on one machine only has no session', async () => {
  const refuse = async () => {
    throw new ShoalError('UNSUPPORTED', 'An eventual volume')
  }
  const options = { volume: 'docs', mountId: 'ab'.repeat(16), about: '', clock: new ManualClock(), log: silentLog }
  assert.equal(await LockSession.begin({ ...options, sessions: { begin: refuse } as unknown as SessionCalls }), undefined)
})
