import assert from 'node:assert/strict'
import type { Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { ModelPair } from './model-pair.suite.ts'
import type { OpenFile } from './volume.ts'
import { ModelError } from './model-node.suite.ts'
import type { Operation } from './volume-operations.suite.ts'

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

/** Operations that look at a volume; files and listings that are open see what was there when they were opened. */
export class ModelReads {
  readonly #pair: ModelPair
  readonly #files: OpenedFile[] = []
  readonly #listings: Listing[] = []

  constructor(pair: ModelPair) {
    this.#pair = pair
  }

  async read(
    operation: Extract<Operation, { do: 'stat' | 'read-symlink' | 'open' | 'read' | 'close' | 'list' | 'list-on' }>,
  ): Promise<void> {
    const model = this.#pair.model
    const volume = this.#pair.volume
    if (operation.do === 'list-on') {
      const [listing] = this.#listings.splice(operation.listing % Math.max(1, this.#listings.length), 1)
      if (listing !== undefined) await this.#listPage(listing, operation.limit)
      return
    }
    if (operation.do === 'read' || operation.do === 'close') {
      const at = operation.file % Math.max(1, this.#files.length)
      const opened = this.#files[at]
      if (opened === undefined) return
      this.#pair.say(operation.do, operation)
      if (operation.do === 'read') return compareRange(opened, operation)
      opened.file.close()
      this.#files.splice(at, 1)
      return
    }
    const path = this.#pair.path(operation.at)
    this.#pair.say(operation.do, path, operation)
    if (operation.do === 'list') {
      const { recursive, limit } = operation
      return this.#listPage({ path, recursive, cursor: undefined, after: Buffer.alloc(0) }, limit)
    }
    if (operation.do === 'stat') {
      const { follow } = operation
      return this.#pair.both(
        () => model.find(path, follow),
        () => volume.stat(path, { follow }),
        (node, attributes) => this.#pair.compareMaybe(node, attributes),
      )
    }
    if (operation.do === 'read-symlink') {
      return this.#pair.both(
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
    return this.#pair.both(
      () => (model.find(path, follow) === undefined ? undefined : model.file(path, follow)),
      () => volume.openFile(path, { follow }),
      async (node, file) => {
        this.#pair.compareMaybe(node, file?.attributes)
        if (node === undefined || file === undefined) return
        this.#files.push({ file, bytes: node.bytes })
        if (this.#files.length > OPEN_FILES_MAX) this.#files.shift()?.file.close()
      },
    )
  }

  async #listPage({ path, recursive, cursor, after }: Listing, limit: number): Promise<void> {
    this.#pair.say('list page', path, { recursive, after: String(after), limit })
    await this.#pair.both(
      () => this.#pair.model.entriesBelow(this.#pair.model.directory(path), recursive),
      () => this.#pair.volume.list(path, { recursive, limit, ...(cursor === undefined ? {} : { cursor }) }),
      (all, page) => {
        const expected = all.filter(({ key }) => Buffer.compare(key, after) > 0).slice(0, limit)
        assert.deepEqual(
          page.entries.map((entry) => entry.path),
          expected.map((entry) => entry.path),
        )
        for (const [at, { node }] of expected.entries())
          this.#pair.compareAttributes(node, page.entries[at]?.attributes as Attributes)
        assert.equal(page.next !== undefined, expected.length === limit)
        if (page.next === undefined) return
        this.#listings.push({ path, recursive, cursor: page.next, after: expected.at(-1)?.key as Buffer })
        if (this.#listings.length > LISTINGS_MAX) this.#listings.shift()
      },
    )
  }

  closeFiles(): void {
    for (const { file } of this.#files.splice(0)) file.close()
  }

  async compareFiles(): Promise<void> {
    for (const opened of this.#files) await compareRange(opened, { offset: 0, length: opened.bytes.length })
  }
}

export async function compareRange({ file, bytes }: OpenedFile, range: { offset: number; length: number }): Promise<void> {
  const { offset, length } = range
  const pieces: Buffer[] = []
  for await (const piece of file.read({ offset, length })) pieces.push(Buffer.from(piece))
  const actual = Buffer.concat(pieces)
  assert.ok(
    actual.equals(bytes.subarray(offset, offset + length)),
    `[${offset}, +${length}) of an open file of ${bytes.length} bytes`,
  )
}
