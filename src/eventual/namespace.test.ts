import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { MemoryDisk } from '#kv/memory.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { connect, nodeId, openReplica } from './fixture.suite.ts'
import type { ListedItem, ListRequest } from './listing.ts'
import { EventualNamespace } from './namespace.ts'
import { readStatus } from './status.ts'
import { textOf, valueOf } from './simulation-history.suite.ts'
import { EventualVolumes } from './volumes.ts'

const refusal = (code: Parameters<typeof isShoalError>[1]) => (error: unknown) => isShoalError(error, code)
const nameOf = (item: ListedItem) => ('entry' in item ? item.entry.path : item.commonPrefix)

/** Two nodes of one cluster. */
async function pair() {
  const clock = new ManualClock()
  const replicas = [await openReplica({ clock }), await openReplica({ clock, id: 'b', isFounder: false })] as const
  const [a, b] = connect(replicas, clock) as [ReturnType<typeof connect>[0], ReturnType<typeof connect>[0]]
  await b!.exchangeWith(nodeId('a'))
  const sync = async () => {
    for (let round = 0; round < 3; round += 1) {
      clock.advance(1000)
      await a!.exchangeWith(nodeId('b'))
      await b!.exchangeWith(nodeId('a'))
    }
  }
  const volumes = replicas.map((replica) => new EventualVolumes(replica))
  return { clock, replicas, nodes: [a!, b!], volumes, sync }
}

async function openOn(volumes: readonly EventualVolumes[]): Promise<[EventualNamespace, EventualNamespace]> {
  return [await volumes[0]!.open('docs'), await volumes[1]!.open('docs')]
}

test('what is put is there, is replaced, and is gone when it is removed, also after a restart', async () => {
  const disk = new MemoryDisk()
  const docs = new EventualNamespace(await openReplica({ disk }), 'docs')
  assert.equal((await docs.put('a/b', valueOf('one'))).created, true)
  assert.equal((await docs.put('a/b', valueOf('two'))).created, false)
  assert.equal(await docs.remove('gone'), false)
  const again = new EventualNamespace(await openReplica({ disk }), 'docs')
  assert.equal(textOf((await again.stat('a/b'))?.version), 'two')
  assert.equal(await again.remove('a/b'), true)
  assert.equal(await again.stat('a/b'), undefined)
})

test('a listing is that of a sorted list of keys, whatever prefix, delimiter, start and page size', async () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '/', 'é', '\u{10ffff}'), maxLength: 4 })
  const path = letters.filter((text) => text !== '')
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(path, { maxLength: 20 }),
      fc.array(path, { maxLength: 5 }),
      fc.record({ prefix: letters, delimiter: fc.constantFrom('', '/'), after: fc.option(letters, { nil: undefined }) }),
      fc.integer({ min: 1, max: 5 }),
      async (paths, removed, { prefix, delimiter, after }, limit) => {
        const docs = new EventualNamespace(await openReplica(), 'docs')
        for (const it of paths) await docs.put(it, valueOf(it))
        for (const it of removed) await docs.remove(it)
        const request: ListRequest = { prefix, delimiter, limit, ...(after === undefined ? {} : { after }) }
        const listed: string[] = []
        for (let page = await docs.list(request); ; page = await docs.list({ prefix, delimiter, limit, cursor: page.next })) {
          listed.push(...page.items.map(nameOf))
          if (page.next === undefined) break
        }
        assert.deepEqual(
          listed,
          listedOf(
            paths.filter((it) => !removed.includes(it)),
            { prefix, delimiter, after },
          ),
        )
      },
    ),
    { numRuns: 150 },
  )
})

function listedOf(
  paths: readonly string[],
  { prefix, delimiter, after }: { prefix: string; delimiter: string; after: string | undefined },
) {
  const sorted = paths.toSorted((a, b) => Buffer.from(a).compare(Buffer.from(b)))
  const nameIn = (path: string) => {
    const at = delimiter === '' ? -1 : path.indexOf(delimiter, prefix.length)
    return at < 0 ? path : path.slice(0, at + 1)
  }
  const isBehind = (path: string) => {
    if (after === undefined) return true
    const isGroup = after.endsWith('/') && after.startsWith(prefix) && after.length > prefix.length && nameIn(after) === after
    return Buffer.from(path).compare(Buffer.from(after)) > 0 && !(delimiter !== '' && isGroup && path.startsWith(after))
  }
  return [...new Set(sorted.filter((path) => path.startsWith(prefix) && isBehind(path)).map(nameIn))]
}

test('what two nodes write without knowing of each other is one winner and one listed conflict on both, which can be restored or dropped', async () => {
  const { volumes, sync, clock } = await pair()
  await volumes[0]!.create('docs', {}, { timeNs: 0n })
  await sync()
  const [left, right] = await openOn(volumes)
  await left.put('plan', valueOf('early'))
  clock.advance(10)
  await right.put('plan', valueOf('late'))
  await sync()
  for (const docs of [left, right]) {
    assert.equal(textOf((await docs.stat('plan'))?.version), 'late')
    const { conflicts } = await docs.conflicts()
    assert.deepEqual(
      conflicts.map(({ path, versions }) => [path, ...versions.map(textOf)]),
      [['plan', 'late', 'early']],
    )
  }
  const [, lost] = await left.versions('plan')
  await right.restore('plan', lost!)
  await sync()
  for (const docs of [left, right]) assert.deepEqual((await docs.versions('plan')).map(textOf), ['early'])
  await left.put('plan', valueOf('third'))
  await right.put('plan', valueOf('fourth'))
  await sync()
  const [, other] = await left.versions('plan')
  await left.drop('plan', other!)
  await assert.rejects(left.drop('plan', other!), refusal('NOT_FOUND'))
  await sync()
  assert.deepEqual((await right.conflicts()).conflicts, [])
})

test('with keep-both the version that lost has a name of its own, once, on both nodes', async () => {
  const { volumes, sync, clock } = await pair()
  await volumes[0]!.create('docs', { onConflict: 'keep-both' }, { timeNs: 0n })
  await sync()
  const [left, right] = await openOn(volumes)
  await left.put('a/plan.txt', valueOf('early'))
  clock.advance(10)
  await right.put('a/plan.txt', valueOf('late'))
  await sync()
  for (const docs of [left, right]) {
    const paths = (await docs.list()).items.map(nameOf)
    assert.equal(paths.length, 2)
    assert.match(paths[0]!, /^a\/plan \(conflict 2023-11-14 22\.\d\d\.\d\d\.\d{3} aaaaaaaa\)\.txt$/)
    assert.equal(textOf((await docs.stat(paths[0]!))?.version), 'early')
    assert.equal(textOf((await docs.stat('a/plan.txt'))?.version), 'late')
    assert.deepEqual((await docs.conflicts()).conflicts, [])
  }
})

test('with cas a change is refused over a version that is known to be stale, or over none', async () => {
  const replica = await openReplica()
  const volumes = new EventualVolumes(replica)
  await volumes.create('docs', { onConflict: 'cas' }, { timeNs: 0n })
  const docs = await volumes.open('docs')
  const { version } = await docs.put('a', valueOf('one'))
  await assert.rejects(docs.put('a', valueOf('two')), refusal('PRECONDITION_FAILED'))
  await assert.rejects(docs.put('a', valueOf('two'), { base: 'absent' }), refusal('PRECONDITION_FAILED'))
  await docs.put('a', valueOf('two'), { base: version })
  await assert.rejects(docs.remove('a', { base: version }), refusal('PRECONDITION_FAILED'))
  assert.equal(textOf((await docs.stat('a'))?.version), 'two')
})

test('a write into a directory that is removed elsewhere brings its path back, however much later the removal is', async () => {
  const { volumes, sync, clock } = await pair()
  await volumes[0]!.create('docs', {}, { timeNs: 0n })
  await sync()
  const [left, right] = await openOn(volumes)
  await left.makeDirectory('dir', { mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n })
  await left.put('dir/a', valueOf('old'))
  await left.put('dir/b', valueOf('old'))
  await sync()
  await right.put('dir/a', valueOf('new'))
  clock.advance(60_000)
  assert.equal(await left.removeTree('dir'), 3)
  assert.deepEqual((await left.list()).items, [])
  await sync()
  for (const docs of [left, right]) assert.deepEqual((await docs.list()).items.map(nameOf), ['dir/a'])
  assert.equal(textOf((await left.stat('dir/a'))?.version), 'new')
})

test('files and trees are renamed, and what is written under the old name elsewhere meanwhile stays', async () => {
  const { volumes, sync } = await pair()
  await volumes[0]!.create('docs', {}, { timeNs: 0n })
  await sync()
  const [left, right] = await openOn(volumes)
  for (const name of ['a', 'b']) await left.put(`from/${name}`, valueOf(name))
  await sync()
  await right.put('from/b', valueOf('b again'))
  assert.equal(await left.renameTree('from', 'to'), 2)
  await sync()
  for (const docs of [left, right]) assert.deepEqual((await docs.list()).items.map(nameOf), ['from/b', 'to/a', 'to/b'])
  await left.rename('to/a', 'c')
  await assert.rejects(left.rename('c', 'to/b'), refusal('ALREADY_EXISTS'))
  await assert.rejects(left.rename('gone', 'x'), refusal('NOT_FOUND'))
  await assert.rejects(left.renameTree('to', 'to/deeper'), refusal('MOVE_INTO_ITSELF'))
  await left.rename('c', 'to/b', { replace: true })
  assert.equal(textOf((await left.stat('to/b'))?.version), 'a')
})

test('attributes change without the content, and what no row can hold is refused', async () => {
  const docs = new EventualNamespace(await openReplica(), 'docs')
  await assert.rejects(docs.setAttributes('a', { mode: 0 }), refusal('NOT_FOUND'))
  await docs.put('a', valueOf('one'))
  await docs.setAttributes('a', { mode: 0o600, tags: new Map([['user.x', Buffer.from('y')]]) })
  const { version, value } = (await docs.stat('a'))!
  assert.deepEqual([textOf(version), value.mode, value.tags.get('user.x')?.toString()], ['one', 0o600, 'y'])
  await assert.rejects(docs.setAttributes('a', { mode: 0o200000 }), refusal('INVALID_ARGUMENT'))
  await assert.rejects(docs.setAttributes('a', { tags: new Map([['x', Buffer.alloc(20_000)]]) }), refusal('TOO_LARGE'))
  await assert.rejects(
    docs.put('b', { ...valueOf(''), content: { kind: 'inline', bytes: Buffer.alloc(4097) } }),
    refusal('TOO_LARGE'),
  )
  await assert.rejects(docs.put('x'.repeat(1025), valueOf('')), refusal('NAME_TOO_LONG'))
  await assert.rejects(docs.put('', valueOf('')), refusal('INVALID_PATH'))
})

test('volumes are made, changed and removed on any node without asking, and spread; two of one name become one', async () => {
  const { volumes, sync } = await pair()
  await volumes[0]!.create('docs', {}, { timeNs: 5n })
  await volumes[1]!.create('docs', { class: 'wide' }, { timeNs: 6n })
  await assert.rejects(volumes[0]!.create('docs', {}, { timeNs: 7n }), refusal('VOLUME_EXISTS'))
  await assert.rejects(volumes[0]!.create('Docs', {}, { timeNs: 7n }), refusal('INVALID_ARGUMENT'))
  await assert.rejects(volumes[0]!.create('more', { chunkSizeBytes: 5 }, { timeNs: 7n }), refusal('INVALID_ARGUMENT'))
  const [left, right] = await openOn(volumes)
  await left.put('of-left', valueOf(''))
  await right.put('of-right', valueOf(''))
  await sync()
  for (const docs of await openOn(volumes)) assert.deepEqual((await docs.list()).items.map(nameOf), ['of-left', 'of-right'])
  await volumes[1]!.update('docs', { conflictsKeptMax: 2 }, { timeNs: 8n })
  await sync()
  assert.deepEqual(
    (await volumes[0]!.list()).map(({ name, policy }) => [name, policy.class, policy.conflictsKeptMax]),
    [['docs', 'wide', 2]],
  )
  await assert.rejects(volumes[0]!.remove('docs'), refusal('VOLUME_NOT_EMPTY'))
  await volumes[0]!.remove('docs', { force: true })
  await sync()
  await assert.rejects(volumes[1]!.open('docs'), refusal('VOLUME_NOT_FOUND'))
  assert.deepEqual((await right.list()).items, [])
})

test('a node that has not joined yet takes no writes, and its answer says so', async () => {
  const docs = new EventualNamespace(await openReplica({ isFounder: false }), 'docs')
  await assert.rejects(docs.put('a', valueOf('')), refusal('UNAVAILABLE'))
})

test('a status says what is still to be told, what lost, what was removed, and how far the nodes are apart', async () => {
  const { volumes, replicas, sync, clock } = await pair()
  await volumes[0]!.create('docs', {}, { timeNs: 0n })
  await sync()
  const [left, right] = await openOn(volumes)
  await left.put('a', valueOf('left'))
  await right.put('a', valueOf('right'))
  await left.put('b', valueOf(''))
  await left.remove('b')
  const before = await readStatus(replicas[0])
  assert.deepEqual([before.members.length, before.conflicts, before.removals, before.rumours], [2, 0, 1, 3])
  await sync()
  const after = await readStatus(replicas[0])
  assert.deepEqual([after.conflicts, after.rumoursRefused, after.refusedFuture], [1, 0, 0])
  assert.ok(after.settledUpToMs > before.settledUpToMs && after.settledUpToMs <= clock.nowMs())
  assert.ok(after.caughtUpToMs.get(nodeId('b'))! >= before.caughtUpToMs.get(nodeId('b'))! + 2000)
})
