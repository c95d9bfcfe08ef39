import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { openMemoryStore } from '#kv/memory.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { bodyOf, caller, type Fixture, openFixture, p, pattern, readAll } from '#volume/volume-fixture.suite.ts'
import type { Change } from '#volume/volume.ts'

/** Over a store whose commits take a moment, so that transactions meet in every order. */
function openSlowFixture(): Promise<Fixture> {
  const kv = openMemoryStore({ beforeCommit: () => new Promise((resolve) => setImmediate(resolve)) })
  return openFixture({ kv })
}

const times = (count: number): number[] => Array.from({ length: count }, (_, at) => at)

async function collectEverything({ volumes, clock }: Fixture): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    clock.advance(2_000)
    await volumes.collect()
  }
}

async function isClean({ volumes }: Fixture): Promise<void> {
  for await (const event of volumes.fsck({ verify: true }))
    if (event.kind === 'finding') assert.fail(`${event.problem} at ${event.where}: ${event.detail}`)
}

async function changesSince({ volumes }: Fixture, cursor: string): Promise<Change[]> {
  const changes: Change[] = []
  for await (const change of volumes.changes({ cursor, follow: false })) changes.push(change)
  return changes
}

const codesOf = async (work: readonly Promise<unknown>[]): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const result of await Promise.allSettled(work)) {
    const code = result.status === 'fulfilled' ? 'done' : isShoalError(result.reason) ? result.reason.code : String(result.reason)
    counts[code] = (counts[code] ?? 0) + 1
  }
  return counts
}

test('200 writers on one path are all acknowledged, one of them wins, and the others leave nothing', async () => {
  const fixture = await openSlowFixture()
  const { volume, volumes, chunks } = fixture
  const contents = times(200).map((at) => pattern(at % 2 === 0 ? 5_000 + at : 100 + at, at + 1))
  const cursor = await volumes.currentCursor()
  const written = await Promise.all(contents.map((bytes) => volume.writeFile(p('f'), bodyOf(bytes), { caller })))
  assert.equal(written.filter(({ created }) => created).length, 1)
  assert.equal(new Set(written.map(({ attributes }) => attributes.version)).size, 200, 'each content has a tag of its own')
  const last = written.toSorted((a, b) => a.attributes.version - b.attributes.version).at(-1)
  const bytes = await readAll(await volume.openFile(p('f')))
  assert.ok(contents[written.indexOf(last as never)]?.equals(bytes), 'the last version is what is read')
  assert.equal((await changesSince(fixture, cursor)).length, 200)
  assert.deepEqual((await volumes.find('docs'))?.usage, { files: 1, bytes: bytes.length })
  await collectEverything(fixture)
  assert.equal((await chunks.usage()).chunks, bytes.length > 4096 ? 1 : 0)
  await isClean(fixture)
})

test('of 200 writers that want to be the first, one is', async () => {
  const { volume } = await openSlowFixture()
  const writes = times(200).map((at) => volume.writeFile(p('f'), bodyOf(`${at}`), { caller, conditions: { ifNoneMatch: '*' } }))
  assert.deepEqual(await codesOf(writes), { done: 1, PRECONDITION_FAILED: 199 })
})

test('writes at offsets of one file under way together all take effect', async () => {
  const fixture = await openSlowFixture()
  const { volume } = fixture
  await volume.writeFile(p('f'), bodyOf('seed'), { caller })
  const expected = Buffer.alloc(100 * 700)
  expected.write('seed')
  await Promise.all(
    times(100).map((at) => {
      const bytes = pattern(600, at + 1)
      bytes.copy(expected, at * 700 + 50)
      return volume.writeAt(p('f'), { offset: at * 700 + 50, bytes }, caller)
    }),
  )
  assert.ok(expected.subarray(0, 99 * 700 + 650).equals(await readAll(await volume.openFile(p('f')))))
  await volume.remove(p('f'), { caller })
  await collectEverything(fixture)
  assert.equal((await fixture.chunks.usage()).chunks, 0)
})

test('many making one deep path make each directory of it once', async () => {
  const fixture = await openSlowFixture()
  const { volume, volumes } = fixture
  const cursor = await volumes.currentCursor()
  const deep = times(30).map((at) => `d${at}`)
  await Promise.all(times(50).map((at) => volume.writeFile([...deep, `f${at}`], bodyOf('x'), { caller, createParents: true })))
  await Promise.all(times(50).map(() => volume.makeDirectory([...deep, 'last'], { caller, parents: true })))
  assert.equal((await volumes.find('docs'))?.usage.files, 30 + 50 + 1)
  const made = (await changesSince(fixture, cursor)).map(({ kind, path }) => `${kind} ${path.join('/')}`)
  assert.equal(new Set(made).size, made.length, 'nothing is told twice')
  assert.equal(made.length, 81)
  await isClean(fixture)
})

test('directories that change places all at once lose no subtree and double none', async () => {
  const fixture = await openSlowFixture()
  const { volume, volumes } = fixture
  const names = ['a', 'b', 'c', 'd', 'e']
  for (const name of names)
    for (const inner of ['x', 'y'])
      await volume.writeFile(p(`${name}/${inner}/${name}-${inner}`), bodyOf(name), { caller, createParents: true })
  const usage = (await volumes.find('docs'))?.usage
  const random = new SeededRandom(7)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.fraction() * from.length)] as T
  const places = [...names, ...names.flatMap((name) => [`${name}/x`, `${name}/y`, `${name}/new`]), 'new']
  let done = 0
  for (let round = 0; round < 100; round += 1) {
    const renames = times(20).map(() =>
      volume.rename(p(pick(places)), p(pick(places)), {
        caller,
        mode: pick(['exchange', 'exchange', 'exchange', 'no-replace'] as const),
      }),
    )
    const codes = await codesOf(renames)
    done += codes['done'] ?? 0
    for (const code of Object.keys(codes)) assert.ok(EXPECTED.has(code), code)
    const { entries } = await volume.list([], { recursive: true })
    const files = entries.filter(({ attributes }) => attributes.type === 'file').map(({ path }) => path.at(-1))
    assert.deepEqual(new Set(files), new Set(names.flatMap((name) => [`${name}-x`, `${name}-y`])))
    assert.equal(entries.length, usage?.files)
  }
  assert.ok(done > 100, `${done} renames succeeded`)
  await isClean(fixture)
})

const EXPECTED = new Set(['done', 'NOT_FOUND', 'ALREADY_EXISTS', 'MOVE_INTO_ITSELF', 'NOT_A_DIRECTORY'])

test('a quota lets in exactly what fits, whoever comes at once, and gives back exactly what is removed', async () => {
  const fixture = await openSlowFixture()
  const { volume, volumes } = fixture
  await volumes.update('docs', { quotaBytes: 1_000, quotaFiles: 50 }, caller)
  const inBytes = await codesOf(times(40).map((at) => volume.writeFile(p(`big${at}`), bodyOf(pattern(100, at)), { caller })))
  assert.deepEqual(inBytes, { done: 10, QUOTA_EXCEEDED: 30 })
  const inFiles = await codesOf(times(80).map((at) => volume.makeDirectory(p(`d${at}`), { caller })))
  assert.deepEqual(inFiles, { done: 40, QUOTA_EXCEEDED: 40 })
  assert.deepEqual((await volumes.find('docs'))?.usage, { files: 50, bytes: 1_000 })
  await Promise.all((await volume.list([])).entries.map(({ path }) => volume.remove(path, { caller })))
  assert.deepEqual((await volumes.find('docs'))?.usage, { files: 0, bytes: 0 })
  await collectEverything(fixture)
  assert.equal((await fixture.chunks.usage()).chunks, 0)
})

test('the change feed tells every change once and in order, to each follower, also while they are made at once', async () => {
  const fixture = await openSlowFixture()
  const { volume, volumes } = fixture
  const cursor = await volumes.currentCursor()
  const stop = new AbortController()
  const follow = async (): Promise<Change[]> => {
    const seen: Change[] = []
    for await (const change of volumes.changes({ cursor, signal: stop.signal })) {
      seen.push(change)
      if (change.path[0] === 'end') break
    }
    return seen
  }
  const followers = [follow(), follow(), follow()]
  const client = async (number: number): Promise<void> => {
    for (let round = 0; round < 20; round += 1) {
      const name = `${number}-${round}`
      await volume.writeFile(p(name), bodyOf('1'), { caller })
      await volume.setAttributes(p(name), { mode: 0o600 }, caller)
      await volume.rename(p(name), p(`${name}-moved`), { caller })
      await volume.link(p(`${name}-moved`), p(name), caller)
      await volume.writeAt(p(name), { offset: 0, bytes: Buffer.alloc(0) }, caller)
      await volume.copyRange({ source: p(name), sourceOffset: 5_000, target: p(name), targetOffset: 0, length: 1 }, caller)
      await assert.rejects(volume.makeDirectory(p(name), { caller }))
      await volume.remove(p(name), { caller })
    }
  }
  await Promise.all(times(20).map(client))
  await volume.writeFile(p('end'), bodyOf(''), { caller })
  const [first = [], ...others] = await Promise.all(followers)
  stop.abort()
  for (const seen of others) assert.deepEqual(seen, first)
  assert.deepEqual(
    first.map((change) => Number(change.cursor)),
    times(first.length).map((at) => Number(cursor) + at + 1),
  )
  const expected = ['create', 'attributes', 'rename', 'link', 'remove']
  for (const number of times(20)) {
    const own = first.filter(({ path }) => path[0]?.startsWith(`${number}-`))
    assert.deepEqual(
      own.map(({ kind }) => kind),
      times(20).flatMap(() => expected),
    )
  }
  assert.equal(first.length, 20 * 20 * expected.length + 1)
})
