import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId, InodeId, UploadId } from '#foundation/ids.ts'
import { openLmdbStore } from '#kv/lmdb.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { decodeCounters, encodeCounters } from '#metadata/counters.ts'
import { countersKey, inodeKey, kindRange, KIND, referenceKey, SYSTEM_PREFIX, volumePrefix } from '#metadata/keys.ts'
import { Metadata } from '#metadata/metadata.ts'
import { decodeRecord, encodeRecord, type Extent } from '#metadata/record.ts'
import { decodeReference, encodeReference } from '#metadata/references.ts'
import { abortUpload, beginUpload, commitUploadStep, putPart } from '#metadata/uploads.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { runFsck } from './fsck-damage.suite.ts'
import type { StrongVolumes } from './strong-volumes.ts'
import { bodyOf, caller, type Fixture, openFixture, pattern } from './volume-fixture.suite.ts'

const BYTES = pattern(6 * 1024 * 1024)

/** A load of everything that changes a volume, on few names, so that much meets. */
class Load {
  readonly #fixture: Fixture
  readonly #random: SeededRandom
  #isOver = false
  operations = 0

  constructor(fixture: Fixture, seed: number) {
    this.#fixture = fixture
    this.#random = new SeededRandom(seed)
  }

  stop(): void {
    this.#isOver = true
  }

  async run(operations = Infinity): Promise<void> {
    for (let at = 0; at < operations && !this.#isOver; at += 1) {
      this.operations += 1
      try {
        await this.#one()
      } catch (error) {
        // What stands in the way on so few names is part of the load.
        if (!isShoalError(error) || ['CORRUPT', 'INTERNAL', 'CHUNK_MISSING'].includes(error.code)) throw error
      }
    }
  }

  #below(limit: number): number {
    return this.#random.below(limit)
  }

  #path(): string[] {
    return Array.from({ length: 1 + this.#below(3) }, () => 'abcd'[this.#below(4)] as string)
  }

  #piece(): Uint8Array {
    const most = [1, 100, 5_000, 300_000, 6_000_000][this.#below(5)] as number
    const from = this.#below(64)
    return BYTES.subarray(from, from + this.#below(most))
  }

  async #one(): Promise<void> {
    const { volume, volumes, clock } = this.#fixture
    const path = this.#path()
    const other = this.#path()
    const mode = (['replace', 'no-replace', 'exchange'] as const)[this.#below(3)] as 'replace'
    const actions: (() => Promise<unknown>)[] = [
      () => volume.writeFile(path, bodyOf(this.#piece()), { caller, createParents: true }),
      () => volume.writeFile(path, bodyOf(this.#piece()), { caller, expected: { sizeBytes: 7_000_000 } }),
      () => volume.writeAt(path, { offset: this.#below(3_000_000), bytes: this.#piece() }, caller),
      () => volume.writeAt(path, { offset: this.#below(3_000), bytes: this.#piece().subarray(0, 900) }, caller),
      () => volume.truncate(path, this.#below(5_000_000), caller),
      () =>
        volume.copyRange(
          { source: path, sourceOffset: this.#below(9_000), target: other, targetOffset: 0, length: 2_000_000 },
          caller,
        ),
      () => volume.rename(path, other, { caller, mode }),
      () => volume.link(path, other, caller),
      () => volume.remove(path, { caller, recursive: this.#below(4) === 0 }),
      () => volume.copy(path, other, { caller, recursive: true }),
      () => volume.makeDirectory(path, { caller, parents: true }),
      () => volume.makeSymlink(path, Buffer.from('a/b'), { caller }),
      () => volume.writeXattr(path, { name: `user.${this.#below(3)}`, value: Buffer.from('v') }, caller),
      () => volume.removeXattr(path, `user.${this.#below(3)}`, caller),
      () => this.#upload(path),
      () => this.#volume(),
      async () => {
        clock.advance(this.#below(2_000))
        await volumes.collect()
      },
    ]
    await (actions[this.#below(actions.length)] as () => Promise<unknown>)()
  }

  async #upload(path: string[]): Promise<void> {
    const { volume } = this.#fixture
    const { id } = await volume.beginUpload(path, { caller, createParents: true })
    for (let at = this.#below(4); at > 0; at -= 1)
      await volume.writePart(id, { number: 1 + this.#below(3), body: bodyOf(this.#piece()) })
    const end = this.#below(3)
    if (end === 0) await volume.commitUpload(id, { caller })
    if (end === 1) await volume.abortUpload(id)
  }

  async #volume(): Promise<void> {
    const { volumes } = this.#fixture
    const name = `other-${this.#below(2)}`
    if ((await volumes.find(name)) === undefined) {
      await volumes.create(name, { chunkSizeBytes: 1024 * 1024 }, caller)
      await (await volumes.open(name)).writeFile(['f'], bodyOf(this.#piece()), { caller })
    } else await volumes.remove(name, { caller, force: true })
  }
}

/** Puts an upload of 2,500 extents into a commit of several steps, and goes so far. */
async function commitHalf(
  fixture: Fixture,
  kv: KeyValueStore,
  { steps, path, expiresNs = 2n ** 62n }: { steps: number; path: string; expiresNs?: bigint },
): Promise<UploadId> {
  const metadata = new Metadata({ kv, clock: fixture.clock, changeRingEntries: 1_000, isOpen: () => false })
  const { info } = fixture.volume
  const bytes = BYTES.subarray(0, 5_000)
  const chunk = createHash('sha256').update(bytes).digest('hex') as ChunkId
  await fixture.chunks.write(chunk, bytes)
  const id = Buffer.from(`upload of ${path}`.padEnd(16)).toString('hex').slice(0, 32) as UploadId
  const transact = metadata.transact.bind(metadata, info, 'tester')
  await transact((t) => {
    beginUpload(t, id, {
      path: [path],
      principal: 'tester',
      startedNs: 1n,
      expiresNs,
      createParents: true,
      hidden: false,
    })
    for (const number of [1, 2]) {
      const extents: Extent[] = Array.from({ length: 1_250 }, (_, at) => ({ offset: at * 2, length: 2, chunk, chunkOffset: at }))
      putPart(t, id, { number, sizeBytes: 2_500, sha256: undefined, extents })
    }
  })
  for (let step = 0; step < steps; step += 1) await transact((t) => commitUploadStep(t, id, { sha256: undefined }))
  return id
}

async function expectClean(volumes: StrongVolumes): Promise<void> {
  assert.deepEqual((await runFsck(volumes, { verify: true })).findings, [])
}

test('commits in several steps are clean at each of them, and so are what they leave and their abort', async () => {
  const kv = openMemoryStore()
  const fixture = await openFixture({ kv, gcGraceMs: 1_000 })
  const { volumes, volume, clock } = fixture
  const begun = await commitHalf(fixture, kv, { steps: 1, path: 'one' })
  await expectClean(volumes)
  const further = await commitHalf(fixture, kv, { steps: 2, path: 'two' })
  await expectClean(volumes)
  await commitHalf(fixture, kv, { steps: 3, path: 'three' })
  await expectClean(volumes)
  const metadata = new Metadata({ kv, clock, changeRingEntries: 1_000, isOpen: () => false })
  await metadata.transact(volume.info, 'tester', (t) => abortUpload(t, begun))
  await expectClean(volumes)
  clock.advance(500)
  await volume.remove(['three'], { caller })
  await expectClean(volumes)
  clock.advance(700)
  await volumes.collect()
  await expectClean(volumes)
  await volume.commitUpload(further, { caller })
  await commitHalf(fixture, kv, { steps: 1, path: 'four' })
  await volumes.remove('docs', { caller, force: true })
  await expectClean(volumes)
  for (let round = 0; round < 4; round += 1) {
    clock.advance(5_000)
    await volumes.collect()
    await expectClean(volumes)
  }
  assert.equal((await fixture.chunks.usage()).chunks, 0)
})

test('an upload whose commit a crash has cut off is ended after it has expired, and leaves nothing', async () => {
  const kv = openMemoryStore()
  const fixture = await openFixture({ kv, gcGraceMs: 1_000 })
  const { volumes, volume, clock } = fixture
  const expiresNs = clock.nowNs() + 5_000_000_000n
  const id = await commitHalf(fixture, kv, { steps: 2, path: 'f', expiresNs })
  for (let round = 0; round < 4; round += 1) {
    clock.advance(5_000)
    await volumes.collect()
  }
  assert.equal(await volume.findUpload(id), undefined)
  assert.equal((await fixture.chunks.usage()).chunks, 0)
  await expectClean(volumes)
})

for (const seed of [1, 2, 3]) {
  test(`a volume that a random load has used is clean (seed ${seed})`, async () => {
    const fixture = await openFixture()
    const load = new Load(fixture, seed)
    for (let round = 0; round < 20; round += 1) {
      await load.run(40)
      await expectClean(fixture.volumes)
    }
  })
}

/** Runs `fn` beside a load; `pause` lets the load get on by some operations. */
async function underLoad(fixture: Fixture, fn: (pause: () => Promise<void>) => Promise<void>): Promise<void> {
  const loads = [11, 12, 13].map((seed) => new Load(fixture, seed))
  const running = Promise.all(loads.map((load) => load.run()))
  const total = () => loads.reduce((sum, { operations }) => sum + operations, 0)
  const pause = async (): Promise<void> => {
    for (const until = total() + 10; total() < until;) await setImmediate()
  }
  try {
    await Promise.race([fn(pause), running])
  } finally {
    for (const load of loads) load.stop()
    await running
  }
}

test('a check of a busy node finds nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-fsck-'))
  const kv = await openLmdbStore({ path: folder })
  try {
    const fixture = await openFixture({ kv })
    await underLoad(fixture, async (pause) => {
      for (let round = 0; round < 8; round += 1) {
        const { findings } = await runFsck(fixture.volumes, { repair: round % 2 === 1, verify: round % 4 === 0, pause })
        assert.deepEqual(findings, [])
      }
    })
    await expectClean(fixture.volumes)
  } finally {
    await kv.close()
    await rm(folder, { recursive: true })
  }
})

test('what is mended on a busy node comes out right', async () => {
  const kv = openMemoryStore()
  const fixture = await openFixture({ kv, gcGraceMs: 1e9 })
  await new Load(fixture, 5).run(200)
  const prefix = volumePrefix(fixture.volume.info.tenant, fixture.volume.info.id)
  await kv.transact((tx) => {
    const counters = decodeCounters(tx.get(countersKey(prefix)))
    tx.put(countersKey(prefix), encodeCounters({ ...counters, files: counters.files + 100, bytes: counters.bytes + 1e9 }))
    for (const { key, value } of [...tx.range(kindRange(SYSTEM_PREFIX, KIND.reference))]) {
      const { count } = decodeReference(value)
      if (count > 0) tx.put(key, encodeReference({ count: count + 3, zeroAtMs: 0 }))
    }
    const root = inodeKey(prefix, 1 as InodeId)
    const record = decodeRecord(tx.get(root) as Buffer)
    tx.put(root, encodeRecord({ ...record, links: record.links + 50 }))
    tx.put(referenceKey('cd'.repeat(32) as ChunkId), encodeReference({ count: 1, zeroAtMs: 0 }))
  })
  await underLoad(fixture, async (pause) => {
    const { result } = await runFsck(fixture.volumes, { repair: true, pause })
    assert.ok(result.findings > 3)
    assert.equal(result.repaired, result.findings)
  })
  await expectClean(fixture.volumes)
})
