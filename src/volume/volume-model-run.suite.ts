// Does one operation after another to a volume and to its model, and compares what they answer and what they hold.

import assert from 'node:assert/strict'
import type { Path } from '#foundation/path.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { KIND } from '#metadata/keys.ts'
import { byBytes } from './model-bytes.suite.ts'
import { ModelChanges } from './model-changes.suite.ts'
import { ModelPair, UPLOAD_EXPIRY_MS } from './model-pair.suite.ts'
import { compareRange, ModelReads } from './model-reads.suite.ts'
import { ModelUploads } from './model-uploads.suite.ts'
import { caller, ManualClock, openFixture } from './volume-fixture.suite.ts'
import type { ModelNode } from './model-node.suite.ts'
import type { Operation } from './volume-operations.suite.ts'

/** The key-value store under a run, which may be closed and opened again. */
export interface ModelStore {
  readonly open: () => KeyValueStore | Promise<KeyValueStore>
}

export class ModelRun {
  readonly #store: ModelStore
  readonly #pair: ModelPair
  readonly #changes: ModelChanges
  readonly #uploads: ModelUploads
  readonly #reads: ModelReads

  static async start(store: ModelStore): Promise<ModelRun> {
    const clock = new ManualClock()
    const fixture = await openFixture({ kv: await store.open(), clock, uploadExpiryMs: UPLOAD_EXPIRY_MS })
    return new ModelRun(store, new ModelPair(fixture, clock))
  }

  private constructor(store: ModelStore, pair: ModelPair) {
    this.#store = store
    this.#pair = pair
    this.#changes = new ModelChanges(pair)
    this.#uploads = new ModelUploads(pair)
    this.#reads = new ModelReads(pair)
  }

  /** What was done, in words, for whoever reads a failure. */
  get trace(): readonly string[] {
    return this.#pair.trace
  }

  async run(operations: readonly Operation[], { compareEvery }: { compareEvery: number }): Promise<void> {
    for (const [index, operation] of operations.entries()) {
      await this.step(operation)
      if (index % compareEvery === compareEvery - 1) await this.compareAll()
    }
    await this.compareAll()
  }

  async step(operation: Operation): Promise<void> {
    this.#pair.advance(1)
    await this.#do(operation)
  }

  async #do(operation: Operation): Promise<void> {
    switch (operation.do) {
      case 'write-file':
      case 'write-at':
      case 'truncate':
      case 'punch':
      case 'copy-range':
        return this.#changes.write(operation)
      case 'begin-upload':
      case 'write-part':
      case 'commit-upload':
      case 'abort-upload':
        return this.#uploads.upload(operation)
      case 'stat':
      case 'read-symlink':
      case 'open':
      case 'read':
      case 'close':
      case 'list':
      case 'list-on':
        return this.#reads.read(operation)
      case 'set-quota':
      case 'collect':
      case 'reopen':
        return this.#maintain(operation)
      default:
        return this.#changes.change(operation)
    }
  }

  async #maintain(operation: Extract<Operation, { do: 'set-quota' | 'collect' | 'reopen' }>): Promise<void> {
    this.#pair.say(operation.do, operation)
    if (operation.do === 'set-quota') {
      const { bytes, files } = this.#pair.model.usage()
      const { spareBytes, spareFiles } = operation
      const quotaBytes = spareBytes === undefined ? undefined : bytes + spareBytes
      const quotaFiles = spareFiles === undefined ? undefined : files + spareFiles
      this.#pair.model.quotaBytes = quotaBytes ?? Infinity
      this.#pair.model.quotaFiles = quotaFiles ?? Infinity
      await this.#pair.fixture.volumes.update('docs', { quotaBytes, quotaFiles }, caller)
    } else if (operation.do === 'collect') await this.#collect(operation.afterMs)
    else await this.#reopen()
  }

  async #collect(afterMs: number): Promise<void> {
    this.#pair.advance(afterMs)
    const { uploads } = await this.#pair.fixture.volumes.collect()
    const expired = [...this.#pair.model.uploads].filter(([, { expiresNs }]) => expiresNs <= this.#pair.model.nowNs)
    for (const [id] of expired) this.#pair.model.uploads.delete(id)
    assert.equal(uploads, expired.length, 'uploads expired')
  }

  /** What a restart of the process does. */
  async #reopen(): Promise<void> {
    this.#reads.closeFiles()
    await this.#pair.fixture.volumes.close()
    await this.#pair.fixture.kv.close()
    const { chunks } = this.#pair.fixture
    const kv = await this.#store.open()
    this.#pair.fixture = await openFixture({ kv, chunks, clock: this.#pair.clock, uploadExpiryMs: UPLOAD_EXPIRY_MS })
  }

  /** Everything that can be seen of the volume. */
  async compareAll(): Promise<void> {
    this.#pair.say('compare all')
    const model = this.#pair.model
    this.#pair.compareAttributes(model.root, (await this.#pair.volume.stat([])) as Attributes)
    const expected = model.entriesBelow(model.root, true)
    let at = 0
    for (let cursor: string | undefined, isLast = false; !isLast;) {
      const page = await this.#pair.volume.list([], { recursive: true, limit: 17, ...(cursor === undefined ? {} : { cursor }) })
      for (const { path, attributes } of page.entries) {
        const entry = expected[at]
        at += 1
        assert.deepEqual(path, entry?.path)
        this.#pair.compareAttributes(entry?.node as ModelNode, attributes)
        await this.#compareInside(path, entry?.node as ModelNode)
      }
      cursor = page.next
      isLast = page.next === undefined
    }
    assert.equal(at, expected.length)
    assert.deepEqual((await this.#pair.fixture.volumes.find('docs'))?.usage, model.usage())
    const { uploads } = await this.#pair.volume.listUploads()
    assert.deepEqual(
      uploads.map(({ id, path, parts }) => [id, path, parts.map(({ number, sizeBytes }) => [number, sizeBytes])]),
      [...model.uploads]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([id, { path, parts }]) => [
          id,
          path,
          [...parts].map(([number, bytes]) => [number, bytes.length]).toSorted(([a], [b]) => (a as number) - (b as number)),
        ]),
    )
    for await (const event of this.#pair.fixture.volumes.fsck()) {
      if (event.kind === 'finding') assert.fail(`fsck found ${event.problem} at ${event.where}: ${event.detail}`)
    }
    await this.#reads.compareFiles()
  }

  async #compareInside(path: Path, node: ModelNode): Promise<void> {
    if (node.type === 'symlink') assert.deepEqual(await this.#pair.volume.readSymlink(path), node.bytes)
    assert.deepEqual(await this.#pair.volume.listXattrs(path), [...node.xattrs.keys()].toSorted(byBytes))
    for (const [name, value] of node.xattrs) assert.deepEqual(await this.#pair.volume.readXattr(path, name), value)
    if (node.type !== 'file') return
    const file = await this.#pair.volume.openFile(path)
    assert.ok(file !== undefined)
    await compareRange({ file, bytes: node.bytes }, { offset: 0, length: node.bytes.length })
    file.close()
    const locations = await this.#pair.volume.locate(path)
    let end = 0
    for (const { offset, length, state } of locations?.extents ?? []) {
      assert.equal(offset, end, 'extents follow one another')
      assert.equal(state, 'stored')
      end += length
    }
    assert.equal(end, node.bytes.length)
  }

  /** Removes everything: then nothing may be left in the stores, either. */
  async finish(): Promise<void> {
    await this.#maintain({ do: 'set-quota', spareBytes: undefined, spareFiles: undefined })
    this.#reads.closeFiles()
    await this.#pair.both(
      () => this.#pair.model.remove([], { recursive: true, conditions: undefined }),
      () => this.#pair.volume.remove([], { caller, recursive: true }),
    )
    for (const name of await this.#pair.volume.listXattrs([])) {
      await this.#pair.both(
        () => this.#pair.model.removeXattr([], name),
        () => this.#pair.volume.removeXattr([], name, caller),
      )
    }
    await this.#collect(2 * UPLOAD_EXPIRY_MS)
    for (let round = 0; round < 3; round += 1) await this.#collect(2_000)
    await this.compareAll()
    const rows: string[] = []
    for await (const { key } of this.#pair.fixture.kv.range({})) if (!REMAINING_KINDS.has(key[8])) rows.push(key.toString('hex'))
    assert.deepEqual(rows, [], 'rows that nothing needs')
    assert.deepEqual(await this.#pair.fixture.chunks.usage().then(({ chunks }) => chunks), 0, 'chunks that nothing needs')
    await this.#pair.fixture.volumes.close()
    await this.#pair.fixture.kv.close()
  }
}

/** Volumes, counters, the root and the change feed remain. */
const REMAINING_KINDS = new Set<number | undefined>([
  KIND.volume,
  KIND.volumeCounter,
  KIND.counters,
  KIND.inode,
  KIND.change,
  KIND.changeCounter,
])
