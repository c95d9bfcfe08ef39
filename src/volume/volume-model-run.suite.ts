// Does one operation after another to a volume and to its model, and compares what they answer and what they hold.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { isShoalError } from '#foundation/errors.ts'
import type { UploadId } from '#foundation/ids.ts'
import { encodeName } from '#foundation/name.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import { KIND } from '#metadata/keys.ts'
import type { Conditions, OpenFile, Volume } from './volume.ts'
import { bodyOf, caller, type Fixture, ManualClock, openFixture, pattern } from './volume-fixture.suite.ts'
import {
  checkConditions,
  contentsOf,
  ModelError,
  type ModelNode,
  type PutOptions,
  tagOf,
  VolumeModel,
} from './volume-model.suite.ts'
import type { Bytes, ConditionPlan, Operation, PutPlan, Where } from './volume-operations.suite.ts'

/** The key-value store under a run, which may be closed and opened again. */
export interface ModelStore {
  readonly open: () => KeyValueStore | Promise<KeyValueStore>
}

const UPLOAD_EXPIRY_MS = 60_000
const OPEN_FILES_MAX = 8
const LISTINGS_MAX = 8

interface Listing {
  readonly path: Path
  readonly recursive: boolean
  readonly cursor: string | undefined
  readonly after: Buffer
}

interface OpenedFile {
  readonly file: OpenFile
  readonly bytes: Buffer
}

export class ModelRun {
  readonly #store: ModelStore
  readonly #clock = new ManualClock()
  readonly #model: VolumeModel
  #fixture: Fixture
  readonly #files: OpenedFile[] = []
  readonly #listings: Listing[] = []
  readonly #uploads: UploadId[] = []
  readonly #contentsByTag = new Map<string, string>()
  readonly #inodes = new Map<number, ModelNode['btimeNs']>()
  /** What was done, in words, for whoever reads a failure. */
  readonly trace: string[] = []

  static async start(store: ModelStore): Promise<ModelRun> {
    const clock = new ManualClock()
    const fixture = await openFixture({ kv: await store.open(), clock, uploadExpiryMs: UPLOAD_EXPIRY_MS })
    return new ModelRun(store, fixture, clock)
  }

  private constructor(store: ModelStore, fixture: Fixture, clock: ManualClock) {
    this.#store = store
    this.#fixture = fixture
    this.#clock = clock
    this.#model = new VolumeModel(clock.nowNs())
  }

  get #volume(): Volume {
    return this.#fixture.volume
  }

  async run(operations: readonly Operation[], { compareEvery }: { compareEvery: number }): Promise<void> {
    for (const [index, operation] of operations.entries()) {
      await this.step(operation)
      if (index % compareEvery === compareEvery - 1) await this.compareAll()
    }
    await this.compareAll()
  }

  async step(operation: Operation): Promise<void> {
    this.#advance(1)
    await this.#do(operation)
  }

  #advance(ms: number): void {
    this.#clock.advance(ms)
    this.#model.nowNs = this.#clock.nowNs()
  }

  async #do(operation: Operation): Promise<void> {
    switch (operation.do) {
      case 'write-file':
      case 'write-at':
      case 'truncate':
      case 'copy-range':
        return this.#write(operation)
      case 'begin-upload':
      case 'write-part':
      case 'commit-upload':
      case 'abort-upload':
        return this.#upload(operation)
      case 'stat':
      case 'read-symlink':
      case 'open':
      case 'read':
      case 'close':
      case 'list':
      case 'list-on':
        return this.#read(operation)
      case 'set-quota':
      case 'collect':
      case 'reopen':
        return this.#maintain(operation)
      default:
        return this.#change(operation)
    }
  }

  async #write(operation: Extract<Operation, { do: 'write-file' | 'write-at' | 'truncate' | 'copy-range' }>): Promise<void> {
    const model = this.#model
    const volume = this.#volume
    if (operation.do === 'copy-range') {
      const { sourceOffset, targetOffset, length } = operation
      const source = this.#path(operation.source)
      const target = operation.target === undefined ? source : this.#path(operation.target)
      const range = { sourceOffset, targetOffset, length }
      this.#say(operation.do, source, target, range)
      return this.#both(
        () => model.copyRange(source, target, range),
        () => volume.copyRange({ source, target, ...range }, caller),
        (node, attributes) => this.#compareAttributes(node, attributes),
      )
    }
    const path = this.#path(operation.at)
    if (operation.do === 'truncate') {
      this.#say(operation.do, path, operation.size)
      return this.#both(
        () => model.truncate(path, operation.size),
        () => volume.truncate(path, operation.size, caller),
        (node, attributes) => this.#compareAttributes(node, attributes),
      )
    }
    const bytes = make(operation.bytes)
    if (operation.do === 'write-at') {
      this.#say(operation.do, path, operation.offset, operation.bytes)
      return this.#both(
        () => model.writeAt(path, operation.offset, bytes),
        () => volume.writeAt(path, { offset: operation.offset, bytes }, caller),
        (node, attributes) => this.#compareAttributes(node, attributes),
      )
    }
    const options = this.#putOptions(path, operation)
    this.#say(operation.do, path, operation.bytes, options)
    return this.#both(
      () => model.put(path, bytes, options),
      () => volume.writeFile(path, bodyOf(bytes), { caller, digest: operation.digest, ...options }),
      ({ node, created }, result) => {
        assert.equal(result.created, created)
        if (operation.digest) assert.ok(result.attributes.sha256 !== undefined, 'the digest was asked for')
        this.#compareAttributes(node, result.attributes)
      },
    )
  }

  async #change(
    operation: Extract<
      Operation,
      {
        do:
          | 'make-directory'
          | 'make-symlink'
          | 'make-node'
          | 'link'
          | 'rename'
          | 'copy'
          | 'remove'
          | 'set-attributes'
          | 'write-xattr'
          | 'remove-xattr'
      }
    >,
  ): Promise<void> {
    const model = this.#model
    const volume = this.#volume
    const compare = (node: ModelNode, attributes: Attributes): void => this.#compareAttributes(node, attributes)
    if (operation.do === 'link' || operation.do === 'rename' || operation.do === 'copy') return this.#changeTwo(operation)
    const path = this.#path(operation.at)
    const { do: _, at: __, ...rest } = operation
    this.#say(operation.do, path, rest)
    switch (operation.do) {
      case 'make-directory': {
        const { parents, mode } = operation
        return this.#both(
          () => model.makeDirectory(path, { parents, mode }),
          () => volume.makeDirectory(path, { caller, parents, mode }),
          compare,
        )
      }
      case 'make-symlink': {
        const target = Buffer.from(operation.target)
        const { createParents } = operation
        return this.#both(
          () => model.make(path, 'symlink', { mode: 0o777, bytes: target }, createParents),
          () => volume.makeSymlink(path, target, { caller, createParents }),
          compare,
        )
      }
      case 'make-node': {
        const { type, rdev } = operation
        return this.#both(
          () => model.make(path, type, { mode: 0o600, rdev: type === 'block-device' ? rdev : 0 }),
          () => volume.makeNode(path, { type, mode: 0o600, rdev }, caller),
          compare,
        )
      }
      case 'remove': {
        const { recursive } = operation
        const conditions = this.#conditions(path, operation.conditions)
        const options = conditions === undefined ? {} : { conditions }
        return this.#both(
          () => model.remove(path, { recursive, conditions }),
          () => volume.remove(path, { caller, recursive, ...options }),
        )
      }
      case 'set-attributes':
        return this.#both(
          () => model.setAttributes(path, operation.changes),
          () => volume.setAttributes(path, operation.changes, caller),
          compare,
        )
      case 'write-xattr': {
        const { name, mode } = operation
        const value = make(operation.bytes)
        return this.#both(
          () => model.writeXattr(path, name, { value, mode }),
          () => volume.writeXattr(path, { name, value, ...(mode === undefined ? {} : { mode }) }, caller),
        )
      }
      case 'remove-xattr':
        return this.#both(
          () => model.removeXattr(path, operation.name),
          () => volume.removeXattr(path, operation.name, caller),
        )
    }
  }

  async #changeTwo(operation: Extract<Operation, { do: 'link' | 'rename' | 'copy' }>): Promise<void> {
    const source = this.#path(operation.source)
    const target = this.#path(operation.target)
    const { do: kind, source: _, target: __, ...options } = operation
    this.#say(kind, source, target, options)
    const model = this.#model
    const volume = this.#volume
    const compare = (node: ModelNode, attributes: Attributes): void => this.#compareAttributes(node, attributes)
    if (operation.do === 'link') {
      return this.#both(
        () => model.link(source, target),
        () => volume.link(source, target, caller),
        compare,
      )
    }
    if (operation.do === 'rename') {
      const { mode, createParents } = operation
      return this.#both(
        () => model.rename(source, target, { mode, createParents }),
        () => volume.rename(source, target, { caller, mode, createParents }),
      )
    }
    // Copying a tree over what it lies in changes it while it is being copied: there is no one right outcome.
    if (operation.recursive && target.length < source.length && target.every((name, at) => source[at] === name)) return
    const { recursive, createParents, replace } = operation
    return this.#both(
      () => model.copy(source, target, { recursive, createParents, replace }),
      () => volume.copy(source, target, { caller, recursive, createParents, replace }),
      compare,
      { inSteps: true },
    )
  }

  async #upload(
    operation: Extract<Operation, { do: 'begin-upload' | 'write-part' | 'commit-upload' | 'abort-upload' }>,
  ): Promise<void> {
    const model = this.#model
    const volume = this.#volume
    if (operation.do === 'begin-upload') {
      const path = this.#path(operation.at)
      const options = this.#putOptions(path, operation)
      this.#say(operation.do, path, options)
      return this.#both(
        () => {
          if (path.length === 0) throw new ModelError('IS_A_DIRECTORY')
          checkConditions(
            options.conditions,
            quietly(() => model.find(path, true)),
          )
        },
        () => volume.beginUpload(path, { caller, ...options }),
        (_, upload) => {
          const { conditions, attributes, createParents } = options
          const expiresNs = model.nowNs + BigInt(UPLOAD_EXPIRY_MS) * 1_000_000n
          assert.deepEqual([upload.path, upload.expiresNs, upload.parts], [path, expiresNs, []])
          model.uploads.set(upload.id, { path, conditions, attributes, createParents, expiresNs, parts: new Map() })
          this.#uploads.push(upload.id)
        },
      )
    }
    const id = this.#uploads[operation.upload % Math.max(1, this.#uploads.length)] ?? ('0'.repeat(32) as UploadId)
    this.#say(operation.do, id, operation)
    if (operation.do === 'write-part') {
      const bytes = make(operation.bytes)
      const { number } = operation
      return this.#both(
        () => model.upload(id).parts.set(number, bytes),
        () => volume.writePart(id, { number, body: bodyOf(bytes) }),
        (_, part) => assert.deepEqual(part, { number, sizeBytes: bytes.length, sha256: digest(bytes) }),
      )
    }
    if (operation.do === 'abort-upload') {
      return this.#both(
        () => {
          model.upload(id)
          model.uploads.delete(id)
        },
        () => volume.abortUpload(id),
      )
    }
    const upload = model.uploads.get(id)
    const whole = upload === undefined ? Buffer.alloc(0) : contentsOf(upload)
    const expected = {
      nothing: {},
      right: { sizeBytes: whole.length, sha256: digest(whole) },
      size: { sizeBytes: whole.length + 1 },
      digest: { sha256: Buffer.alloc(32) },
    }[operation.expect]
    return this.#both(
      () => {
        model.upload(id)
        if (operation.expect === 'size') throw new ModelError('UPLOAD_INCOMPLETE')
        if (operation.expect === 'digest') throw new ModelError('DIGEST_MISMATCH')
        return model.commit(id)
      },
      () => volume.commitUpload(id, { caller, expected }),
      ({ node, created }, result) => {
        model.uploads.delete(id)
        assert.equal(result.created, created)
        this.#compareAttributes(node, result.attributes)
      },
    )
  }

  async #read(
    operation: Extract<Operation, { do: 'stat' | 'read-symlink' | 'open' | 'read' | 'close' | 'list' | 'list-on' }>,
  ): Promise<void> {
    const model = this.#model
    const volume = this.#volume
    if (operation.do === 'list-on') {
      const [listing] = this.#listings.splice(operation.listing % Math.max(1, this.#listings.length), 1)
      if (listing !== undefined) await this.#listPage(listing, operation.limit)
      return
    }
    if (operation.do === 'read' || operation.do === 'close') {
      const at = operation.file % Math.max(1, this.#files.length)
      const opened = this.#files[at]
      if (opened === undefined) return
      this.#say(operation.do, operation)
      if (operation.do === 'read') return compareRange(opened, operation)
      opened.file.close()
      this.#files.splice(at, 1)
      return
    }
    const path = this.#path(operation.at)
    this.#say(operation.do, path, operation)
    if (operation.do === 'list') {
      const { recursive, limit } = operation
      return this.#listPage({ path, recursive, cursor: undefined, after: Buffer.alloc(0) }, limit)
    }
    if (operation.do === 'stat') {
      const { follow } = operation
      return this.#both(
        () => model.find(path, follow),
        () => volume.stat(path, { follow }),
        (node, attributes) => this.#compareMaybe(node, attributes),
      )
    }
    if (operation.do === 'read-symlink') {
      return this.#both(
        () => {
          const node = model.existing(path)
          if (node.type !== 'symlink') throw new ModelError('INVALID_ARGUMENT')
          return node.bytes
        },
        () => volume.readSymlink(path),
        (target, actual) => assert.deepEqual(actual, target),
      )
    }
    const { follow } = operation
    return this.#both(
      () => (model.find(path, follow) === undefined ? undefined : model.file(path, follow)),
      () => volume.openFile(path, { follow }),
      async (node, file) => {
        this.#compareMaybe(node, file?.attributes)
        if (node === undefined || file === undefined) return
        this.#files.push({ file, bytes: node.bytes })
        if (this.#files.length > OPEN_FILES_MAX) this.#files.shift()?.file.close()
      },
    )
  }

  async #listPage({ path, recursive, cursor, after }: Listing, limit: number): Promise<void> {
    this.#say('list page', path, { recursive, after: String(after), limit })
    await this.#both(
      () => this.#model.entriesBelow(this.#model.directory(path), recursive),
      () => this.#volume.list(path, { recursive, limit, ...(cursor === undefined ? {} : { cursor }) }),
      (all, page) => {
        const expected = all.filter(({ key }) => Buffer.compare(key, after) > 0).slice(0, limit)
        assert.deepEqual(
          page.entries.map((entry) => entry.path),
          expected.map((entry) => entry.path),
        )
        for (const [at, { node }] of expected.entries()) this.#compareAttributes(node, page.entries[at]?.attributes as Attributes)
        assert.equal(page.next !== undefined, expected.length === limit)
        if (page.next === undefined) return
        this.#listings.push({ path, recursive, cursor: page.next, after: expected.at(-1)?.key as Buffer })
        if (this.#listings.length > LISTINGS_MAX) this.#listings.shift()
      },
    )
  }

  async #maintain(operation: Extract<Operation, { do: 'set-quota' | 'collect' | 'reopen' }>): Promise<void> {
    this.#say(operation.do, operation)
    if (operation.do === 'set-quota') {
      const { bytes, files } = this.#model.usage()
      const { spareBytes, spareFiles } = operation
      const quotaBytes = spareBytes === undefined ? undefined : bytes + spareBytes
      const quotaFiles = spareFiles === undefined ? undefined : files + spareFiles
      this.#model.quotaBytes = quotaBytes ?? Infinity
      this.#model.quotaFiles = quotaFiles ?? Infinity
      await this.#fixture.volumes.update('docs', { quotaBytes, quotaFiles }, caller)
    } else if (operation.do === 'collect') await this.#collect(operation.afterMs)
    else await this.#reopen()
  }

  async #collect(afterMs: number): Promise<void> {
    this.#advance(afterMs)
    const { uploads } = await this.#fixture.volumes.collect()
    const expired = [...this.#model.uploads].filter(([, { expiresNs }]) => expiresNs <= this.#model.nowNs)
    for (const [id] of expired) this.#model.uploads.delete(id)
    assert.equal(uploads, expired.length, 'uploads expired')
  }

  /** What a restart of the process does. */
  async #reopen(): Promise<void> {
    this.#closeFiles()
    await this.#fixture.volumes.close()
    await this.#fixture.kv.close()
    const { chunks } = this.#fixture
    const kv = await this.#store.open()
    this.#fixture = await openFixture({ kv, chunks, clock: this.#clock, uploadExpiryMs: UPLOAD_EXPIRY_MS })
  }

  #closeFiles(): void {
    for (const { file } of this.#files.splice(0)) file.close()
  }

  /** Everything that can be seen of the volume. */
  async compareAll(): Promise<void> {
    this.#say('compare all')
    const model = this.#model
    this.#compareAttributes(model.root, (await this.#volume.stat([])) as Attributes)
    const expected = model.entriesBelow(model.root, true)
    let at = 0
    for (let cursor: string | undefined, isLast = false; !isLast;) {
      const page = await this.#volume.list([], { recursive: true, limit: 17, ...(cursor === undefined ? {} : { cursor }) })
      for (const { path, attributes } of page.entries) {
        const entry = expected[at]
        at += 1
        assert.deepEqual(path, entry?.path)
        this.#compareAttributes(entry?.node as ModelNode, attributes)
        await this.#compareInside(path, entry?.node as ModelNode)
      }
      cursor = page.next
      isLast = page.next === undefined
    }
    assert.equal(at, expected.length)
    assert.deepEqual((await this.#fixture.volumes.find('docs'))?.usage, model.usage())
    const { uploads } = await this.#volume.listUploads()
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
    for await (const event of this.#fixture.volumes.fsck()) {
      if (event.kind === 'finding') assert.fail(`fsck found ${event.problem} at ${event.where}: ${event.detail}`)
    }
    for (const opened of this.#files) await compareRange(opened, { offset: 0, length: opened.bytes.length })
  }

  async #compareInside(path: Path, node: ModelNode): Promise<void> {
    if (node.type === 'symlink') assert.deepEqual(await this.#volume.readSymlink(path), node.bytes)
    assert.deepEqual(await this.#volume.listXattrs(path), [...node.xattrs.keys()].toSorted(byBytes))
    for (const [name, value] of node.xattrs) assert.deepEqual(await this.#volume.readXattr(path, name), value)
    if (node.type !== 'file') return
    const file = await this.#volume.openFile(path)
    assert.ok(file !== undefined)
    await compareRange({ file, bytes: node.bytes }, { offset: 0, length: node.bytes.length })
    file.close()
    const locations = await this.#volume.locate(path)
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
    this.#closeFiles()
    await this.#both(
      () => this.#model.remove([], { recursive: true, conditions: undefined }),
      () => this.#volume.remove([], { caller, recursive: true }),
    )
    for (const name of await this.#volume.listXattrs([])) {
      await this.#both(
        () => this.#model.removeXattr([], name),
        () => this.#volume.removeXattr([], name, caller),
      )
    }
    await this.#collect(2 * UPLOAD_EXPIRY_MS)
    for (let round = 0; round < 3; round += 1) await this.#collect(2_000)
    await this.compareAll()
    const rows: string[] = []
    for await (const { key } of this.#fixture.kv.range({})) if (!REMAINING_KINDS.has(key[8])) rows.push(key.toString('hex'))
    assert.deepEqual(rows, [], 'rows that nothing needs')
    assert.deepEqual(await this.#fixture.chunks.usage().then(({ chunks }) => chunks), 0, 'chunks that nothing needs')
    await this.#fixture.volumes.close()
    await this.#fixture.kv.close()
  }

  async #both<M, R>(
    model: () => M,
    real: () => Promise<R>,
    compare: (expected: M, actual: R) => void | Promise<void> = () => {},
    { inSteps = false } = {},
  ): Promise<void> {
    let expected: { value: M } | { code: string }
    try {
      expected = { value: inSteps ? model() : this.#model.transact(model) }
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      expected = { code: error.code }
    }
    let actual: { value: R } | { code: string }
    try {
      actual = { value: await real() }
    } catch (error) {
      if (!isShoalError(error)) throw error
      actual = { code: error.code }
    }
    this.trace.push(`  ${'code' in expected ? expected.code : 'done'}`)
    assert.equal('code' in actual ? actual.code : 'done', 'code' in expected ? expected.code : 'done')
    if ('value' in expected && 'value' in actual) await compare(expected.value, actual.value)
  }

  #compareMaybe(node: ModelNode | undefined, attributes: Attributes | undefined): void {
    assert.equal(attributes === undefined, node === undefined, 'one is there, the other is not')
    if (node !== undefined && attributes !== undefined) this.#compareAttributes(node, attributes)
  }

  #compareAttributes(node: ModelNode, attributes: Attributes): void {
    if (node.inode === undefined) {
      assert.ok(!this.#inodes.has(attributes.inode), `inode ${attributes.inode} was given before`)
      this.#inodes.set(attributes.inode, node.btimeNs)
      node.inode = attributes.inode
    }
    const { inode, type, mode, uid, gid, rdev, version, atimeNs, mtimeNs, ctimeNs, btimeNs } = attributes
    const { links, sizeBytes, sha256 } = attributes
    const { bytes } = node
    assert.deepEqual(
      { inode, type, mode, uid, gid, rdev, version, atimeNs, mtimeNs, ctimeNs, btimeNs, links, sizeBytes },
      {
        inode: node.inode,
        type: node.type,
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        rdev: node.rdev,
        version: node.version,
        atimeNs: node.atimeNs,
        mtimeNs: node.mtimeNs,
        ctimeNs: node.ctimeNs,
        btimeNs: node.btimeNs,
        links: this.#model.linksOf(node),
        sizeBytes: bytes.length,
      },
    )
    if (sha256 !== undefined) assert.deepEqual(sha256, digest(bytes), 'the digest is of other contents')
    const tag = entityTag(attributes)
    const contents = digest(bytes).toString('hex')
    assert.equal(this.#contentsByTag.get(tag) ?? contents, contents, `the tag ${tag} stands for two contents`)
    this.#contentsByTag.set(tag, contents)
  }

  #path(where: Where): Path {
    if ('path' in where) return where.path
    const entries = this.#model.entriesBelow(this.#model.root, true)
    if ('entry' in where) return entries[where.entry % Math.max(1, entries.length)]?.path ?? []
    const directories = [[], ...entries.filter(({ node }) => node.type === 'directory').map(({ path }) => path)]
    return [...(directories[where.directory % directories.length] ?? []), where.name]
  }

  #conditions(path: Path, plan: ConditionPlan | undefined): Conditions | undefined {
    if (plan === undefined) return undefined
    const node = quietly(() => this.#model.find(path, true))
    const tags = (which: NonNullable<ConditionPlan['ifMatch']>): '*' | string[] => {
      if (which === 'any') return '*'
      return which === 'current' && node?.inode !== undefined ? ['"other"', tagOf(node)] : ['"other"']
    }
    return {
      ...(plan.ifMatch === undefined ? {} : { ifMatch: tags(plan.ifMatch) }),
      ...(plan.ifNoneMatch === undefined ? {} : { ifNoneMatch: tags(plan.ifNoneMatch) }),
    }
  }

  #putOptions(path: Path, plan: PutPlan): { createParents: boolean } & Omit<PutOptions, 'createParents'> & WriteOptionFields {
    const conditions = this.#conditions(path, plan.conditions)
    return {
      createParents: plan.createParents,
      ...(conditions === undefined ? {} : { conditions }),
      ...(plan.attributes === undefined ? {} : { attributes: plan.attributes }),
    }
  }

  #say(what: string, ...details: unknown[]): void {
    const shown = details.map((detail) => (Array.isArray(detail) ? `/${formatPath(detail as Path)}` : show(detail)))
    this.trace.push(`${what} ${shown.join(' ')}`)
  }
}

type WriteOptionFields = { conditions?: Conditions; attributes?: NonNullable<PutPlan['attributes']> }

/** Volumes, counters, the root and the change feed remain. */
const REMAINING_KINDS = new Set<number | undefined>([
  KIND.volume,
  KIND.volumeCounter,
  KIND.counters,
  KIND.inode,
  KIND.change,
  KIND.changeCounter,
])

function show(value: unknown): string {
  return typeof value === 'string'
    ? value
    : JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item))
}

function quietly<T>(find: () => T): T | undefined {
  try {
    return find()
  } catch {
    return undefined
  }
}

const patterns = new Map<number, Buffer>()
const LONGEST = 2 * 1024 * 1024 + 1

/** Always the same bytes for a seed, so that equal chunks meet. */
function make({ size, seed }: Bytes): Buffer {
  const whole = patterns.get(seed) ?? pattern(LONGEST, seed + 1)
  patterns.set(seed, whole)
  return whole.subarray(0, size)
}

const digests = new WeakMap<Buffer, Buffer>()

function digest(bytes: Buffer): Buffer {
  const known = digests.get(bytes) ?? createHash('sha256').update(bytes).digest()
  digests.set(bytes, known)
  return known
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(encodeName(a), encodeName(b))
}

async function compareRange({ file, bytes }: OpenedFile, range: { offset: number; length: number }): Promise<void> {
  const { offset, length } = range
  const pieces: Buffer[] = []
  for await (const piece of file.read({ offset, length })) pieces.push(Buffer.from(piece))
  const actual = Buffer.concat(pieces)
  assert.ok(
    actual.equals(bytes.subarray(offset, offset + length)),
    `[${offset}, +${length}) of an open file of ${bytes.length} bytes`,
  )
}
