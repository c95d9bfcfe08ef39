import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { openLmdbStore } from '#kv/lmdb.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { runFsck } from './fsck-damage.suite.ts'
import type { OpenObject } from './objects.ts'
import { caller, openFixture, p, readAll } from './volume-fixture.suite.ts'

interface ModelVersion {
  /** As the bucket told it; `null` for one without an id of its own. */
  id: string
  /** `undefined` for a delete marker. */
  text: string | undefined
  /** It has been changed in place. */
  isEdited?: boolean
}

type Versioning = 'off' | 'enabled' | 'suspended'

/** What Amazon S3's user guide says of versions, over lists: newest first, and the current one of a key is its first. */
class VersionsModel {
  versioning: Versioning = 'off'
  readonly keys = new Map<string, ModelVersion[]>()

  current(key: string): ModelVersion | undefined {
    const newest = this.keys.get(key)?.[0]
    return newest?.text === undefined ? undefined : newest
  }

  /** `text`: `undefined` for a delete marker. */
  add(key: string, text: string | undefined): ModelVersion | undefined {
    const before = this.keys.get(key) ?? []
    // Without versions a removal leaves nothing.
    const isKept = this.versioning !== 'off' || text !== undefined
    const kept = this.versioning === 'enabled' ? before : before.filter(({ id }) => id !== 'null')
    const version = { id: this.versioning === 'enabled' ? 'new' : 'null', text }
    this.keys.set(key, isKept ? [version, ...kept] : kept)
    return isKept ? version : undefined
  }

  /** A change in place. Gives the version that is new by it. Nothing is kept of an empty file: that is how other doors begin one. */
  edit(key: string, text: string): ModelVersion | undefined {
    const current = this.current(key) as ModelVersion
    const isKept = this.versioning === 'enabled' && current.isEdited !== true && current.text !== ''
    const edited = isKept ? (this.add(key, text) as ModelVersion) : current
    edited.text = text
    edited.isEdited = this.versioning === 'enabled'
    return isKept ? edited : undefined
  }

  removeVersion(key: string, id: string): void {
    this.keys.set(
      key,
      (this.keys.get(key) ?? []).filter((version) => version.id !== id),
    )
  }

  listed(): string[] {
    const lines: string[] = []
    for (const [key, versions] of [...this.keys].toSorted(([a], [b]) => (a < b ? -1 : 1)))
      for (const [index, { id, text }] of versions.entries())
        lines.push(`${key} ${id} ${text ?? 'marker'}${index === 0 ? ' latest' : ''}`)
    return lines
  }
}

const key = fc.constantFrom('a', 'a/b', 'a/c', 'd/', 'd/e/f')
const place = fc.record({ key, nth: fc.nat(3) })
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), key, door: fc.constantFrom('s3', 'file') }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), key, door: fc.constantFrom('s3', 'file') }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('edit' as const), key, sizeBytes: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('removeVersion' as const), at: place }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rename' as const), key, target: fc.constantFrom('a', 'b') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('copy' as const), at: place, target: key }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('versioning' as const),
      versioning: fc.constantFrom<Versioning>('enabled', 'suspended'),
    }),
  },
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

class Run {
  readonly model = new VersionsModel()
  readonly #fixture: Awaited<ReturnType<typeof openFixture>>
  #writes = 0

  constructor(fixture: Awaited<ReturnType<typeof openFixture>>) {
    this.#fixture = fixture
  }

  async step(step: Operation): Promise<void> {
    const { model } = this
    const { volumes, volume } = this.#fixture
    const objects = await volumes.openObjects('docs')
    if (step.kind === 'versioning') {
      await volumes.update('docs', { versioning: step.versioning }, caller)
      model.versioning = step.versioning
    } else if (step.kind === 'put') {
      this.#writes += 1
      const text = 'x'.repeat(this.#writes)
      // A path of another door can't end in a slash.
      if (step.door === 'file' && !step.key.endsWith('/')) {
        // Other doors refuse a file beside a directory of its name, and a directory beside a file.
        const done = await volume.writeFile(p(step.key), Buffer.from(text), { caller, createParents: true }).then(
          () => true,
          (error: unknown) => {
            assert.ok(isShoalError(error, 'IS_A_DIRECTORY') || isShoalError(error, 'NOT_A_DIRECTORY'))
            return false
          },
        )
        if (done) await this.#learn(step.key, model.add(step.key, text))
      } else {
        const { versionId } = await objects.put(step.key, Buffer.from(text), { caller, properties: () => ({}) })
        const version = model.add(step.key, text) as ModelVersion
        if (version.id !== 'null') version.id = versionId
      }
    } else if (step.kind === 'edit') {
      const current = model.current(step.key)
      if (current?.text === undefined || step.key.endsWith('/')) return
      if ((await volume.stat(p(step.key)))?.type !== 'file') return
      await volume.truncate(p(step.key), step.sizeBytes, caller)
      const text = current.text.slice(0, step.sizeBytes).padEnd(step.sizeBytes, '\0')
      await this.#learn(step.key, model.edit(step.key, text))
    } else if (step.kind === 'remove') {
      const current = model.current(step.key)
      if (step.door === 's3' || current === undefined || step.key.endsWith('/')) {
        const { versionId } = await objects.remove(step.key, { caller })
        const marker = model.add(step.key, undefined)
        if (marker !== undefined && marker.id !== 'null') marker.id = versionId as string
      } else if ((await volume.stat(p(step.key)))?.type === 'file') {
        await volume.remove(p(step.key), { caller })
        await this.#learn(step.key, model.add(step.key, undefined))
      }
    } else await this.#move(step)
  }

  async #move(step: Extract<Operation, { kind: 'removeVersion' | 'rename' | 'copy' }>): Promise<void> {
    const { model } = this
    const { volumes, volume } = this.#fixture
    const objects = await volumes.openObjects('docs')
    if (step.kind === 'rename') {
      const moving = model.current(step.key)
      const isFile = [step.key, step.target].every((each) => !each.endsWith('/'))
      if (moving === undefined || !isFile || step.key === step.target || step.target.includes('/')) return
      // A directory of that name is what another door sees.
      if ((await volume.stat(p(step.key)))?.type !== 'file') return
      if ((await volume.stat(p(step.target)))?.type === 'directory') return
      await volume.rename(p(step.key), p(step.target), { caller })
      // The contents go with the file; the versions before stay, below a marker.
      model.removeVersion(step.key, moving.id)
      await this.#learn(step.key, model.add(step.key, undefined))
      await this.#learn(step.target, model.add(step.target, moving.text))
      return
    }
    const versions = model.keys.get(step.at.key) ?? []
    const version = versions[step.at.nth % Math.max(1, versions.length)]
    if (version === undefined) return
    if (step.kind === 'removeVersion') {
      await objects.remove(step.at.key, { caller, versionId: version.id })
      model.removeVersion(step.at.key, version.id)
    } else if (version.text !== undefined) {
      const source = (await objects.open(step.at.key, version.id)) as OpenObject
      const { versionId } = await objects.copy(source, step.target, { caller, properties: {} })
      source.file.close()
      const copied = model.add(step.target, version.text) as ModelVersion
      if (copied.id !== 'null') copied.id = versionId
    }
  }

  /** Takes the id of the newest version over, where another door made it. */
  async #learn(of: string, version: ModelVersion | undefined): Promise<void> {
    if (version === undefined || version.id === 'null') return
    const objects = await this.#fixture.volumes.openObjects('docs')
    const found = await objects.find(of)
    assert.ok(found !== undefined)
    version.id = ('object' in found ? found.object : found.marker).versionId
  }

  async compare(): Promise<void> {
    const { model } = this
    const objects = await this.#fixture.volumes.openObjects('docs')
    const { items } = await objects.listVersions({ limit: 1_000 })
    const listed: string[] = []
    let bytes = 0
    for (const item of items) {
      assert.ok(!('commonPrefix' in item))
      const { key: of, versionId, isLatest } = 'object' in item ? item.object : item.marker
      let text = 'marker'
      if ('object' in item) {
        const open = (await objects.open(of, versionId)) as OpenObject
        text = (await readAll(open.file)).toString()
        bytes += text.length
      }
      listed.push(`${of} ${versionId} ${text}${isLatest ? ' latest' : ''}`)
    }
    assert.deepEqual(listed, model.listed())
    const live = (await objects.list({ limit: 1_000 })).items.map((item) => ('key' in item ? item.key : ''))
    const expected = [...model.keys.keys()].filter((each) => model.current(each) !== undefined)
    assert.deepEqual(live, expected.toSorted())
    assert.equal((await this.#fixture.volumes.find('docs'))?.usage.bytes, bytes)
    assert.deepEqual((await runFsck(this.#fixture.volumes, {})).findings, [])
  }
}

async function follow(steps: readonly Operation[], kv: KeyValueStore): Promise<void> {
  const run = new Run(await openFixture({ kv }))
  for (const step of steps) await run.step(step)
  await run.compare()
}

const EMPTY_IS_EDITED: Operation[] = [
  { kind: 'put', key: 'd/e/f', door: 's3' },
  { kind: 'edit', key: 'd/e/f', sizeBytes: 0 },
  { kind: 'versioning', versioning: 'enabled' },
  { kind: 'edit', key: 'd/e/f', sizeBytes: 0 },
]

const NAME = 'random operations through all doors leave the versions that S3 says'

test(`${NAME}, on the memory store`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 40 }), (steps) => follow(steps, openMemoryStore())),
    { numRuns: 300, examples: [[EMPTY_IS_EDITED]] },
  )
})

test(`${NAME}, on LMDB`, async () => {
  const property = fc.asyncProperty(fc.array(operation, { minLength: 10, maxLength: 40 }), async (steps) => {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-versions-'))
    const kv = await openLmdbStore({ path: folder })
    try {
      await follow(steps, kv)
    } finally {
      await kv.close()
      await rm(folder, { recursive: true })
    }
  })
  await fc.assert(property, { numRuns: 10 })
})
