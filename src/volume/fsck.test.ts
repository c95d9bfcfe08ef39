import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Finding, Steps } from '#metadata/fsck-check.ts'
import { FSCK_PROBLEMS } from '#metadata/fsck-problems.ts'
import { type ChunkUse, compareReferences, tallyChunks } from '#metadata/fsck-references.ts'
import { survey } from '#metadata/fsck-survey.ts'
import * as keys from '#metadata/keys.ts'
import { encodeReference } from '#metadata/references.ts'
import { chunkOf } from './fsck-case.suite.ts'
import { CONTENT_CASES } from './fsck-content-cases.suite.ts'
import { COUNT_CASES } from './fsck-count-cases.suite.ts'
import { Damaged, inOrder, runFsck } from './fsck-damage.suite.ts'
import { NAMESPACE_CASES } from './fsck-namespace-cases.suite.ts'
import { VERSION_CASES } from './fsck-version-cases.suite.ts'
import { caller } from './volume-fixture.suite.ts'

const CASES = [...NAMESPACE_CASES, ...CONTENT_CASES, ...COUNT_CASES, ...VERSION_CASES]

for (const { name, finds, damage, after } of CASES) {
  test(`${name}: found as ${finds.join(' and ')}, mended, clean then`, async () => {
    const damaged = await Damaged.populate()
    await damage(damaged)
    await damaged.expect(finds)
    await after?.(damaged)
    assert.deepEqual((await runFsck(damaged.fixture.volumes, { verify: true })).findings, [])
  })
}

test('the volume that is damaged is clean before', async () => {
  const { fixture } = await Damaged.populate()
  const { findings, result } = await runFsck(fixture.volumes, { verify: true })
  assert.deepEqual(findings, [])
  assert.deepEqual(result, {
    kind: 'result',
    clean: true,
    findings: 0,
    repaired: 0,
    orphanChunks: 0,
    orphanBytes: 0,
    forgottenChunks: 0,
  })
})

const UNMENDABLE = ['chunk-corrupt', 'chunk-missing', 'chunk-short', 'content-digest-wrong', 'inline-missing']

test('every problem that there is a code for is planted by a test', () => {
  const planted = new Set([...CASES.flatMap(({ finds }) => finds), ...UNMENDABLE])
  assert.deepEqual(
    [...FSCK_PROBLEMS].filter((problem) => !planted.has(problem)),
    [],
  )
})

test('a missing, short or corrupt chunk is told with the files and bytes that it is in, and stays', async () => {
  const d = await Damaged.populate()
  const { chunks, volumes, volume } = d.fixture
  await volume.copy(['a', 'two'], ['copy'], { caller })
  const [first, second] = (await d.locate('a/two')).record.extents
  await chunks.forget(first!.chunk)
  const short = Buffer.from('not those bytes')
  await chunks.forget(second!.chunk)
  await chunks.write(second!.chunk, short)
  const wrong = Buffer.alloc(200_000)
  const hard = await chunkOf(d, 'hard')
  await chunks.forget(hard)
  await chunks.write(hard, wrong)
  const quick = await runFsck(volumes, { repair: true })
  assert.deepEqual(
    quick.findings.map(({ problem, where, repairable }) => [problem, where, repairable]).toSorted(inOrder),
    [
      ['chunk-missing', 'docs:/a/table, bytes 0 to 1048575', false],
      ['chunk-missing', 'docs:/a/two, bytes 0 to 1048575', false],
      ['chunk-missing', 'docs:/copy, bytes 0 to 1048575', false],
      ['chunk-missing', `docs: upload ${d.upload}, part 1 (from 0), bytes 0 to 1048575`, false],
      ['chunk-short', 'docs:/a/two, bytes 1048576 to 1499999', false],
      ['chunk-short', 'docs:/copy, bytes 1048576 to 1499999', false],
    ].toSorted(inOrder),
  )
  const { findings, result } = await runFsck(volumes, { verify: true })
  assert.deepEqual(
    findings.filter(({ problem }) => problem === 'chunk-corrupt').map(({ where }) => where),
    ['docs:/hard, bytes 0 to 199999'],
  )
  assert.deepEqual([result.findings, result.repaired], [7, 0])
})

test('inline contents that are lost or changed are told, and stay', async () => {
  const d = await Damaged.populate()
  const inline = (path: string) => d.locate(path).then(({ record }) => keys.inlineKey(d.prefix, record.content))
  await d.put(await inline('a/b/small'), Buffer.from('smell'))
  await d.delete(await inline('d/e/f/deep'))
  await d.delete(await inline('symlink'))
  const { findings } = await runFsck(d.fixture.volumes, { repair: true, verify: true })
  assert.deepEqual(
    findings.map(({ problem, where, repaired }) => [problem, where, repaired]).toSorted(inOrder),
    [
      ['content-digest-wrong', 'docs:/a/b/small', false],
      ['inline-missing', 'docs:/d/e/f/deep', false],
      ['inline-missing', 'docs:/symlink', false],
    ].toSorted(inOrder),
  )
})

test('chunks that nothing refers to are counted, and forgotten by a repair once the grace is over', async () => {
  const { fixture } = await Damaged.populate()
  const bytes = Buffer.from('left over')
  await fixture.chunks.write('ab'.repeat(32) as ChunkId, bytes)
  const orphansOf = async (options: { repair?: boolean }) => {
    const { clean, orphanChunks, orphanBytes, forgottenChunks } = (await runFsck(fixture.volumes, options)).result
    return [clean, orphanChunks, orphanBytes, forgottenChunks]
  }
  assert.deepEqual(await orphansOf({ repair: true }), [true, 0, 0, 0])
  fixture.clock.advance(2_000)
  assert.deepEqual(await orphansOf({}), [true, 1, 9, 0])
  assert.deepEqual(await orphansOf({ repair: true }), [true, 1, 9, 1])
  assert.deepEqual(await orphansOf({}), [true, 0, 0, 0])
})

test('one check runs at a time, and one that is left behind makes room', async () => {
  const { fixture } = await Damaged.populate()
  const first = fixture.volumes.fsck()
  await first.next()
  await assert.rejects(runFsck(fixture.volumes), (error) => isShoalError(error, 'CONFLICT'))
  await first.return?.()
  assert.ok((await runFsck(fixture.volumes)).result.clean)
})

test('a check ends when its signal says so', async () => {
  const { fixture } = await openFixtureOfMany()
  await assert.rejects(runFsck(fixture.volumes, { signal: AbortSignal.abort(new Error('enough')) }), /enough/)
})

async function openFixtureOfMany(): Promise<Damaged> {
  const d = await Damaged.populate()
  const { volume } = d.fixture
  for (let at = 0; at < 400; at += 1) await volume.makeDirectory([`d${at}`], { caller })
  return d
}

test('docs/operations/fsck.md explains each problem, and no other', () => {
  const page = readFileSync(new URL('../../docs/operations/fsck.md', import.meta.url), 'utf8')
  const explained = [...page.matchAll(/^\| `([a-z-]+)` \|.*\|.*\|$/gm)].map(([, code]) => code as string)
  assert.deepEqual(explained.toSorted(inOrder), [...FSCK_PROBLEMS].toSorted(inOrder))
})

test('counting the chunks in several passes finds what one pass finds', async () => {
  const d = await Damaged.populate()
  const wrong = await chunkOf(d, 'a/one')
  await d.put(keys.referenceKey(wrong), encodeReference({ count: 9, zeroAtMs: 0 }))
  await d.delete(keys.referenceKey(await chunkOf(d, 'a/two')))
  const snapshot = await d.fixture.kv.openSnapshot()
  const surveyed = drain(survey(snapshot)).result
  const count = (passes: number) => {
    const uses: [ChunkId, ChunkUse][] = []
    const findings: string[] = []
    for (let index = 0; index < passes; index += 1) {
      const part = { index, passes }
      const tallied = drain(tallyChunks(snapshot, surveyed, part)).result
      uses.push(...tallied)
      findings.push(...drain(compareReferences(snapshot, tallied, part)).findings.map(({ where }) => where))
    }
    return { uses: uses.toSorted(inOrder), findings: findings.toSorted(inOrder) }
  }
  const once = count(1)
  assert.ok(once.uses.length >= 8)
  assert.equal(once.findings.length, 2)
  for (const passes of [2, 3, 7, 256]) assert.deepEqual(count(passes), once)
  snapshot.close()
})

function drain<T>(steps: Steps<T>): { findings: Finding[]; result: T } {
  const findings: Finding[] = []
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return { findings, result: step.value }
    if (step.value !== undefined) findings.push(step.value)
  }
}
