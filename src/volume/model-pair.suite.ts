// A volume and its model: what is done to both, and what of them has to be the same.

import assert from 'node:assert/strict'
import { isShoalError } from '#foundation/errors.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import { digest } from './model-bytes.suite.ts'
import type { Conditions, Volume } from './volume.ts'
import type { Fixture, ManualClock } from './volume-fixture.suite.ts'
import { ModelError, type ModelNode, type PutOptions, tagOf } from './model-node.suite.ts'
import { VolumeModel } from './volume-model.suite.ts'
import type { ConditionPlan, PutPlan, Where } from './volume-operations.suite.ts'

export const UPLOAD_EXPIRY_MS = 60_000

export class ModelPair {
  readonly clock: ManualClock
  readonly model: VolumeModel
  /** Another one after a restart. */
  fixture: Fixture
  /** What was done, in words, for whoever reads a failure. */
  readonly trace: string[] = []
  readonly #contentsByTag = new Map<string, string>()
  readonly #inodes = new Map<number, ModelNode['btimeNs']>()

  constructor(fixture: Fixture, clock: ManualClock) {
    this.fixture = fixture
    this.clock = clock
    this.model = new VolumeModel(clock.nowNs())
  }

  get volume(): Volume {
    return this.fixture.volume
  }

  advance(ms: number): void {
    this.clock.advance(ms)
    this.model.nowNs = this.clock.nowNs()
  }

  async both<M, R>(
    model: () => M,
    real: () => Promise<R>,
    compare: (expected: M, actual: R) => void | Promise<void> = () => {},
    { inSteps = false } = {},
  ): Promise<void> {
    let expected: { value: M } | { code: string }
    try {
      expected = { value: inSteps ? model() : this.model.transact(model) }
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

  compareMaybe(node: ModelNode | undefined, attributes: Attributes | undefined): void {
    assert.equal(attributes === undefined, node === undefined, 'one is there, the other is not')
    if (node !== undefined && attributes !== undefined) this.compareAttributes(node, attributes)
  }

  compareAttributes(node: ModelNode, attributes: Attributes): void {
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
        links: this.model.linksOf(node),
        sizeBytes: bytes.length,
      },
    )
    if (sha256 !== undefined) assert.deepEqual(sha256, digest(bytes), 'the digest is of other contents')
    const tag = entityTag(attributes)
    const contents = digest(bytes).toString('hex')
    assert.equal(this.#contentsByTag.get(tag) ?? contents, contents, `the tag ${tag} stands for two contents`)
    this.#contentsByTag.set(tag, contents)
  }

  path(where: Where): Path {
    if ('path' in where) return where.path
    const entries = this.model.entriesBelow(this.model.root, true)
    if ('entry' in where) return entries[where.entry % Math.max(1, entries.length)]?.path ?? []
    const directories = [[], ...entries.filter(({ node }) => node.type === 'directory').map(({ path }) => path)]
    return [...(directories[where.directory % directories.length] ?? []), where.name]
  }

  conditions(path: Path, plan: ConditionPlan | undefined): Conditions | undefined {
    if (plan === undefined) return undefined
    const node = quietly(() => this.model.find(path, true))
    const tags = (which: NonNullable<ConditionPlan['ifMatch']>): '*' | string[] => {
      if (which === 'any') return '*'
      return which === 'current' && node?.inode !== undefined ? ['"other"', tagOf(node)] : ['"other"']
    }
    return {
      ...(plan.ifMatch === undefined ? {} : { ifMatch: tags(plan.ifMatch) }),
      ...(plan.ifNoneMatch === undefined ? {} : { ifNoneMatch: tags(plan.ifNoneMatch) }),
    }
  }

  putOptions(path: Path, plan: PutPlan): { createParents: boolean } & Omit<PutOptions, 'createParents'> & WriteOptionFields {
    const conditions = this.conditions(path, plan.conditions)
    return {
      createParents: plan.createParents,
      ...(conditions === undefined ? {} : { conditions }),
      ...(plan.attributes === undefined ? {} : { attributes: plan.attributes }),
    }
  }

  say(what: string, ...details: unknown[]): void {
    const shown = details.map((detail) => (Array.isArray(detail) ? `/${formatPath(detail as Path)}` : show(detail)))
    this.trace.push(`${what} ${shown.join(' ')}`)
  }
}

type WriteOptionFields = { conditions?: Conditions; attributes?: NonNullable<PutPlan['attributes']> }

function show(value: unknown): string {
  return typeof value === 'string'
    ? value
    : JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item))
}

export function quietly<T>(find: () => T): T | undefined {
  try {
    return find()
  } catch {
    return undefined
  }
}
