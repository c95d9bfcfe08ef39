import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { parsePath } from '#foundation/path.ts'
import { type CommitFacts } from '#kv/group-commit.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { createEntry, linkEntry, removeEntry, renameEntry } from './entries.ts'
import { changeAttributes, parentFor, putFile } from './files.ts'
import { findEntry, reload } from './inodes.ts'
import { Metadata, type VolumeHandle } from './metadata.ts'
import type { VolumePolicy } from './policy.ts'
import { resolveExisting, resolveParent } from './resolve.ts'
import type { VolumeTransaction } from './transaction.ts'
import { createVolume, describeVolume } from './volumes.ts'

interface Fixture {
  readonly kv: KeyValueStore
  readonly metadata: Metadata
  readonly volume: VolumeHandle
  readonly commits: CommitFacts[]
}

async function openVolume(policy: Partial<VolumePolicy> = {}): Promise<Fixture> {
  const commits: CommitFacts[] = []
  const kv = openMemoryStore({ onCommit: (facts) => void commits.push(facts) })
  const clock = new ManualClock()
  const metadata = new Metadata({ kv, clock, changeRingEntries: 1_000, isOpen: () => false })
  const volume = await metadata.transactSystem((tx) =>
    createVolume(tx, { tenant: 1 as never, name: 'docs', policy, owner: 'root' }, 1n),
  )
  commits.length = 0
  return { kv, metadata, volume, commits }
}

type Step = (t: VolumeTransaction) => unknown

const put = (path: string, { text = path, attributes = {}, isNew = false } = {}): Step => {
  const write = { contents: { kind: 'inline', bytes: Buffer.from(text) }, sha256: undefined, attributes } as const
  const conditions = isNew ? { conditions: { ifNoneMatch: '*' } as const } : {}
  return (t) => putFile(t, parsePath(path), { ...write, ...conditions, createParents: true }).created
}

async function codesOf(work: readonly Promise<unknown>[]): Promise<unknown[]> {
  const results = await Promise.allSettled(work)
  return results.map((result) =>
    result.status === 'fulfilled' ? result.value : isShoalError(result.reason) ? result.reason.code : result.reason,
  )
}

async function dump(kv: KeyValueStore): Promise<string[]> {
  const rows: string[] = []
  for await (const { key, value } of kv.range({})) rows.push(`${key.toString('hex')}=${value.toString('hex')}`)
  return rows
}

test('changes of one turn share a commit, and each fails by itself, with all that it had done', async () => {
  const { metadata, volume, commits } = await openVolume()
  const run = (fn: Step) => metadata.transact(volume, 'me', fn)
  const refusal = new Error('changed my mind')
  const failing: Step = (t) => {
    put('b/c/d')(t)
    throw refusal
  }
  const first = codesOf([run(put('a/f')), run(failing), run(put('a/f', { isNew: true })), run(put('b/e')), run(put('a/g'))])
  assert.deepEqual(await first, [true, refusal, 'PRECONDITION_FAILED', true, true])
  assert.equal(commits.length, 1)
  await metadata.read(volume, (view) => {
    for (const path of ['a/f', 'a/g', 'b/e']) resolveExisting(view, parsePath(path))
    assert.throws(() => resolveExisting(view, parsePath('b/c')), ShoalError)
    assert.equal(describeVolume(view.snapshot, { ...volume, policy: {} as never, createdNs: 1n, owner: 'root' }).usage.files, 5)
  })
})

test('a quota holds for each change of a turn, for the sum of those before it', async () => {
  const { metadata, volume } = await openVolume({ quotaBytes: 10 })
  const sizes = [4, 4, 4, 2, 1]
  const work = sizes.map((size, at) => metadata.transact(volume, 'me', put(`f${at}`, { text: 'x'.repeat(size) })))
  assert.deepEqual(await codesOf(work), [true, true, 'QUOTA_EXCEEDED', true, 'QUOTA_EXCEEDED'])
})

test('changes go in the order of their calls, whichever of them free room or are about volumes', async () => {
  const { metadata, volume } = await openVolume()
  const order: number[] = []
  const note = (at: number) => () => void order.push(at)
  await Promise.all([
    metadata.transact(volume, 'me', note(1)),
    metadata.transact(volume, 'me', note(2), { frees: true }),
    metadata.transact(volume, 'me', note(3)),
    metadata.transactSystem(note(4)),
    metadata.transact(volume, 'me', note(5)),
  ])
  assert.deepEqual(order, [1, 2, 3, 4, 5])
})

test('what is too large for one transaction together goes into several', async () => {
  const { metadata, volume, commits } = await openVolume()
  const bytes = Buffer.alloc(3 * 1024 * 1024)
  const work = [1, 2, 3, 4, 5].map((at) => metadata.transact(volume, 'me', (t) => t.tx.put(Buffer.from(`filler ${at}`), bytes)))
  await Promise.all(work)
  assert.deepEqual(
    commits.map(({ writes }) => writes),
    [2, 2, 1],
  )
})

test('a volume that is gone fails its own changes alone', async () => {
  const { metadata, volume } = await openVolume()
  const gone = { ...volume, id: 77 as never, name: 'gone' }
  const work = [metadata.transact(gone, 'me', put('f')), metadata.transact(volume, 'me', put('f'))]
  assert.deepEqual(await codesOf(work), ['VOLUME_NOT_FOUND', true])
})

const name = fc.constantFrom('a', 'b', 'c')
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'))

const find = (t: VolumeTransaction, directory: Parameters<typeof findEntry>[1], at: string) =>
  findEntry(t, directory, { name: at, form: 'directory' }) ?? findEntry(t, directory, { name: at, form: 'file' })

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(path, fc.nat(20), fc.boolean()).map(([at, size, isNew]) => put(at, { text: 'x'.repeat(size), isNew })),
  },
  {
    weight: 2,
    arbitrary: path.map((at): Step => (t) => {
      const { parent, name: last } = parentFor(t, parsePath(at), false)
      return createEntry(t, parent, { name: last, inode: { type: 'directory', mode: 0o700 } }).record.inode
    }),
  },
  {
    weight: 3,
    arbitrary: path.map((at): Step => (t) => {
      const { parent, name: last } = resolveParent(t, parsePath(at))
      removeEntry(t, parent, { name: last, target: resolveExisting(t, parsePath(at)) })
    }),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(path, path, fc.constantFrom('replace', 'exchange', 'no-replace')).map(([from, to, mode]): Step => (t) => {
      const source = resolveParent(t, parsePath(from))
      const located = resolveExisting(t, parsePath(from))
      const target = parentFor(t, parsePath(to), true)
      const there = find(t, target.parent.record.inode, target.name)
      renameEntry(t, { ...source, located: reload(t, located) }, { ...target, located: there, mode })
    }),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(path, path).map(([from, to]): Step => (t) => {
      linkEntry(t, resolveExisting(t, parsePath(from), { prefer: 'file' }), resolveParent(t, parsePath(to)))
    }),
  },
  {
    weight: 2,
    arbitrary: path.map((at): Step => (t) => {
      changeAttributes(t, resolveExisting(t, parsePath(at)), { mtimeNs: 5n })
    }),
  },
)

test('random changes do the same to every row, together in a turn or one after another', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(anyStep, { minLength: 1, maxLength: 12 }), { maxLength: 8 }), async (turns) => {
      const policy = { quotaFiles: 12, quotaBytes: 100 }
      const [grouped, single] = [await openVolume(policy), await openVolume(policy)]
      for (const steps of turns) {
        const together = await codesOf(steps.map((step) => grouped.metadata.transact(grouped.volume, 'me', step)))
        const alone: unknown[] = []
        for (const step of steps) alone.push(...(await codesOf([single.metadata.transact(single.volume, 'me', step)])))
        assert.deepEqual(together, alone)
      }
      assert.deepEqual(await dump(grouped.kv), await dump(single.kv))
    }),
    { numRuns: 150 },
  )
})
