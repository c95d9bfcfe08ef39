import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { faultyFiles, seededFaults } from '#platform/faulty-files.ts'
import type { FaultPlan } from '#platform/faulty-files.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { RestFiles } from '../crash/rest-files.ts'
import type { Answer } from '../crash/rest-files.ts'
import { startInProcess } from './node-in-process.ts'

const MIB = 1024 * 1024
const FILES = '/volumes/docs/files'
const WRITERS = 6
/** In the metadata itself; in a pack; in a chunk file; in several chunk files. */
const SIZES = { inline: 100, packed: 60_000, alone: 500_000, several: 3 * MIB + 1 }
type Kind = keyof typeof SIZES

let data: string

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'shoal-failing-disk-'))
})
after(() => rm(data, { recursive: true, force: true }))

const contents = (kind: Kind): Buffer => randomBytes(SIZES[kind])
const codeOf = ({ body }: Answer): string | undefined => (JSON.parse(body.toString()) as { code?: string }).code

/** One file of each kind, as acknowledged. */
async function writeEach(rest: RestFiles): Promise<Map<string, Buffer>> {
  await rest.expect('PUT', '/volumes/docs', { chunkSizeBytes: MIB })
  const files = new Map((Object.keys(SIZES) as Kind[]).map((kind) => [`before/${kind}`, contents(kind)]))
  for (const [path, bytes] of files) await rest.expect('PUT', `${FILES}/${path}`, bytes)
  return files
}

async function assertAll(rest: RestFiles, files: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [path, bytes] of files) {
    assert.ok((await rest.expect('GET', `${FILES}/${path}`)).equals(bytes), `"${path}" is not what was acknowledged`)
  }
}

async function readiness(origin: string): Promise<readonly [number, string]> {
  const response = await fetch(`${origin}/readyz`, { headers: { connection: 'close' } })
  return [response.status, ((await response.json()) as { state: string }).state]
}

/** Nothing that writes is acknowledged any more, whatever it would write; reads go on. */
async function assertStopped(origin: string, rest: RestFiles, files: ReadonlyMap<string, Buffer>): Promise<void> {
  const writes: Parameters<RestFiles['call']>[] = [
    ...(Object.keys(SIZES) as Kind[]).map((kind) => ['PUT', `${FILES}/later/${kind}`, contents(kind)] as const),
    ['PUT', `${FILES}/before/inline`, contents('inline')],
    ['PATCH', `${FILES}/before/alone?offset=10`, contents('inline')],
    ['DELETE', `${FILES}/before/packed`],
    ['POST', '/volumes/docs/entries/later', { op: 'mkdir' }],
    ['POST', '/volumes/docs/entries/before/inline', { op: 'move', to: 'moved' }],
    ['POST', '/volumes/docs/uploads', { path: 'later' }],
    ['PUT', '/volumes/later', {}],
  ].map((call) => call as Parameters<RestFiles['call']>)
  for (const call of writes) {
    const answer = await rest.call(...call)
    assert.deepEqual([call[0], call[1], answer.status, codeOf(answer)], [call[0], call[1], 503, 'STORAGE_FAILED'])
  }
  assert.deepEqual(await readiness(origin), [503, 'storage-failed'])
  await assertAll(rest, files)
  assert.equal((await rest.listAll('docs')).filter(({ type }) => type === 'file').length, files.size)
}

/** With healthy files everything acknowledged is there, nothing else, and writes go on. `unknown`: refused in the very step
 *  that failed; with a disk that also failed to take it back, that step may be there, whole. */
async function assertAfterRestart(
  folder: string,
  files: ReadonlyMap<string, Buffer>,
  unknown: ReadonlyMap<string, Buffer> = new Map(),
): Promise<void> {
  const node = await startInProcess(folder)
  const rest = new RestFiles(node.url)
  try {
    assert.deepEqual(await readiness(node.url), [200, 'serving'])
    await assertAll(rest, files)
    const listed = (await rest.listAll('docs')).filter(({ type }) => type === 'file').map(({ path }) => path)
    const surprising = listed.filter((path) => !files.has(path))
    assert.deepEqual(new Set(listed), new Set([...files.keys(), ...surprising.filter((path) => unknown.has(path))]))
    assert.ok(surprising.length <= WRITERS)
    await assertAll(rest, new Map(surprising.map((path) => [path, unknown.get(path) as Buffer])))
    const { clean, lines } = await rest.fsck(true)
    assert.ok(clean, lines.join('\n'))
    const again = contents('several')
    await rest.expect('PUT', `${FILES}/again`, again)
    assert.deepEqual(await rest.expect('GET', `${FILES}/again`), again)
  } finally {
    await rest.close()
    await node.stop()
  }
}

interface Case {
  readonly name: string
  /** What is written when the disk fails. */
  readonly writes: Kind
  readonly plan: FaultPlan
}

const isPack = (path: string): boolean => path.endsWith('.pack')
const isChunk = (path: string): boolean => /\/chunks\/(?!packs)/.test(path) && !isPack(path)
const CASES: readonly Case[] = [
  {
    name: 'the flush of a pack',
    writes: 'packed',
    plan: (what, path) => (what === 'datasync' && isPack(path) ? 'io-error' : undefined),
  },
  {
    name: 'a write to a pack',
    writes: 'packed',
    plan: (what, path) => (what === 'write' && isPack(path) ? 'io-error' : undefined),
  },
  {
    name: 'half of a write to a pack',
    writes: 'packed',
    plan: (what, path) => (what === 'write' && isPack(path) ? 'short-io-error' : undefined),
  },
  {
    name: 'the flush of a chunk file',
    writes: 'alone',
    plan: (what, path) => (what === 'datasync' && isChunk(path) ? 'io-error' : undefined),
  },
  {
    name: 'half of a write to a chunk file',
    writes: 'alone',
    plan: (what, path) => (what === 'write' && isChunk(path) ? 'short-io-error' : undefined),
  },
  {
    name: 'the making of a chunk file',
    writes: 'alone',
    plan: (what, path) => (what === 'open' && isChunk(path) ? 'io-error' : undefined),
  },
  {
    name: 'the renaming of a chunk file',
    writes: 'alone',
    plan: (what, path) => (what === 'rename' && isChunk(path) ? 'io-error' : undefined),
  },
  {
    name: 'the making of a folder for chunks',
    writes: 'alone',
    plan: (what) => (what === 'createFolder' ? 'io-error' : undefined),
  },
  { name: 'the flush of a folder', writes: 'alone', plan: (what) => (what === 'syncFolder' ? 'io-error' : undefined) },
  { name: 'one of several chunks', writes: 'several', plan: failOnce('datasync') },
]

/** The second operation of this kind on a chunk file fails, no other. */
function failOnce(operation: Parameters<FaultPlan>[0]): FaultPlan {
  let count = 0
  return (what, path) => {
    if (what !== operation || !isChunk(path)) return undefined
    count += 1
    return count === 2 ? 'io-error' : undefined
  }
}

for (const { name, writes, plan } of CASES) {
  test(`when ${name} fails, nothing is acknowledged any more, and a restart has all that was`, async () => {
    const folder = join(data, name.replaceAll(' ', '-'))
    let failing = false
    let faults = 0
    const files = faultyFiles(nodeFiles, (operation, path) => {
      const fault = failing ? plan(operation, path) : undefined
      if (fault !== undefined) faults += 1
      return fault
    })
    const node = await startInProcess(folder, files)
    const rest = new RestFiles(node.url)
    let kept: Map<string, Buffer>
    try {
      kept = await writeEach(rest)
      failing = true
      const answer = await rest.call('PUT', `${FILES}/during`, contents(writes))
      assert.deepEqual([answer.status, codeOf(answer)], [503, 'STORAGE_FAILED'])
      assert.ok(faults > 0, 'nothing failed')
      assert.equal((await rest.call('GET', `${FILES}/during`)).status, 404)
      // The disk is well again, but nobody knows what it has forgotten.
      failing = false
      await assertStopped(node.url, rest, kept)
    } finally {
      await rest.close()
      await node.stop()
    }
    await assertAfterRestart(folder, kept)
  })
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`whatever fails under load, what was acknowledged is there after a restart (seed ${seed})`, async () => {
    const folder = join(data, `seed-${seed}`)
    const random = new SeededRandom(seed)
    const options = {
      operations: ['open', 'write', 'datasync', 'rename', 'createFolder', 'syncFolder'],
      faults: ['io-error', 'no-space', 'short-io-error', 'short-no-space'],
      probability: 0.02,
    } as const
    const plan = seededFaults(random, options)
    let failing = false
    const node = await startInProcess(
      folder,
      faultyFiles(nodeFiles, (operation, path) => (failing ? plan(operation, path) : undefined)),
    )
    const rest = new RestFiles(node.url)
    const refused = new Map<string, number>()
    const unknown = new Map<string, Buffer>()
    let kept: Map<string, Buffer>
    try {
      kept = await writeEach(rest)
      failing = true
      await Promise.all(
        Array.from({ length: WRITERS }, async (_, writer) => {
          for (let turn = 0; turn < 20; turn += 1) {
            const bytes = contents((Object.keys(SIZES) as Kind[])[turn % 3] as Kind)
            const path = `writer${writer}/${turn}`
            const answer = await rest.call('PUT', `${FILES}/${path}`, bytes)
            if (answer.status === 201) kept.set(path, bytes)
            else refused.set(codeOf(answer) as string, answer.status)
            if (answer.status !== 201) unknown.set(path, bytes)
          }
        }),
      )
      failing = false
      for (const [code, status] of refused) assert.equal({ STORAGE_FAILED: 503, NO_SPACE: 507 }[code], status, code)
      await assertAll(rest, kept)
    } finally {
      await rest.close()
      await node.stop()
    }
    assert.ok(refused.size > 0, 'nothing failed')
    await assertAfterRestart(folder, kept, unknown)
  })
}

test('when the key-value file cannot be written, soon nothing is acknowledged any more, and a restart has all that was', async (t) => {
  if (!existsSync('/proc/self/fd')) {
    t.skip('needs /proc')
    return
  }
  const folder = join(data, 'key-value')
  const child = fork(fileURLToPath(new URL('failing-disk.child.ts', import.meta.url)), [folder])
  const exited = once(child, 'exit')
  const [origin] = (await once(child, 'message')) as [string]
  const rest = new RestFiles(origin)
  let kept: Map<string, Buffer>
  try {
    kept = await writeEach(rest)
    child.send('break')
    const [broken] = (await once(child, 'message')) as [number]
    assert.ok(broken > 0, 'no descriptor was closed')
    // Until the journal hands over what it has, it takes more: that is kept, too.
    for (let at = 0; ; at += 1) {
      const bytes = contents('inline')
      const answer = await rest.call('PUT', `${FILES}/during${at}`, bytes)
      if (answer.status !== 201) {
        assert.deepEqual([answer.status, codeOf(answer)], [503, 'STORAGE_FAILED'])
        break
      }
      assert.ok(at < 200, 'writes go on for seconds')
      kept.set(`during${at}`, bytes)
      await delay(20)
    }
    await assertStopped(origin, rest, kept)
  } finally {
    await rest.close()
    child.kill('SIGKILL')
    await exited
  }
  await assertAfterRestart(folder, kept)
})
