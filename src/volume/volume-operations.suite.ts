// Random operations on a volume, as plain data: any of them can be left out, so that a failure shrinks to few.

import fc from 'fast-check'
import { MAX_INLINE_BYTES } from '#metadata/record.ts'
import type { AttributeChanges, RenameMode } from './volume.ts'

/** Names are few, so that they meet often, and stand on both sides of "/" in the order of bytes; one is no UTF-8. */
export const NAMES = ['a', 'a!', 'a0', 'b', 'é', '\udcff', `${'long'.repeat(63)}end`] as const

/** Names something by what there is when its turn comes: an entry, a name in a directory, or just a path. */
export type Where =
  | { readonly entry: number }
  | { readonly directory: number; readonly name: string }
  | { readonly path: readonly string[] }

/** Tags are made when the turn comes: of what is there, or of something else. */
export type WhichTag = 'any' | 'current' | 'other'

export interface ConditionPlan {
  readonly ifMatch?: WhichTag | undefined
  readonly ifNoneMatch?: WhichTag | undefined
}

export interface PutPlan {
  readonly conditions: ConditionPlan | undefined
  readonly attributes: AttributeChanges | undefined
  readonly createParents: boolean
}

export interface Bytes {
  readonly size: number
  readonly seed: number
}

export type Operation =
  | ({ readonly do: 'write-file'; readonly at: Where; readonly bytes: Bytes; readonly digest: boolean } & PutPlan)
  | { readonly do: 'write-at'; readonly at: Where; readonly offset: number; readonly bytes: Bytes }
  | { readonly do: 'truncate'; readonly at: Where; readonly size: number }
  | { readonly do: 'punch'; readonly at: Where; readonly offset: number; readonly length: number }
  | {
      readonly do: 'copy-range'
      readonly source: Where
      readonly target: Where | undefined
      readonly sourceOffset: number
      readonly targetOffset: number
      readonly length: number
    }
  | { readonly do: 'make-directory'; readonly at: Where; readonly parents: boolean; readonly mode: number }
  | { readonly do: 'make-symlink'; readonly at: Where; readonly target: string; readonly createParents: boolean }
  | { readonly do: 'make-node'; readonly at: Where; readonly type: 'file' | 'fifo' | 'block-device'; readonly rdev: number }
  | { readonly do: 'link'; readonly source: Where; readonly target: Where }
  | {
      readonly do: 'rename'
      readonly source: Where
      readonly target: Where
      readonly mode: RenameMode
      readonly createParents: boolean
    }
  | {
      readonly do: 'copy'
      readonly source: Where
      readonly target: Where
      readonly recursive: boolean
      readonly createParents: boolean
      readonly replace: boolean
    }
  | {
      readonly do: 'remove'
      readonly at: Where
      readonly recursive: boolean
      readonly conditions: ConditionPlan | undefined
    }
  | { readonly do: 'set-attributes'; readonly at: Where; readonly changes: AttributeChanges }
  | {
      readonly do: 'write-xattr'
      readonly at: Where
      readonly name: string
      readonly bytes: Bytes
      readonly mode: 'create' | 'replace' | undefined
    }
  | { readonly do: 'remove-xattr'; readonly at: Where; readonly name: string }
  | { readonly do: 'stat'; readonly at: Where; readonly follow: boolean }
  | { readonly do: 'read-symlink'; readonly at: Where }
  | { readonly do: 'open'; readonly at: Where; readonly follow: boolean }
  | { readonly do: 'read'; readonly file: number; readonly offset: number; readonly length: number }
  | { readonly do: 'close'; readonly file: number }
  | { readonly do: 'list'; readonly at: Where; readonly recursive: boolean; readonly limit: number }
  | { readonly do: 'list-on'; readonly listing: number; readonly limit: number }
  | ({ readonly do: 'begin-upload'; readonly at: Where } & PutPlan)
  | { readonly do: 'write-part'; readonly upload: number; readonly number: number; readonly bytes: Bytes }
  | { readonly do: 'commit-upload'; readonly upload: number; readonly expect: 'nothing' | 'right' | 'size' | 'digest' }
  | { readonly do: 'abort-upload'; readonly upload: number }
  | { readonly do: 'set-quota'; readonly spareBytes: number | undefined; readonly spareFiles: number | undefined }
  | { readonly do: 'collect'; readonly afterMs: number }
  | { readonly do: 'reopen' }

const MiB = 1024 * 1024

const name = fc.constantFrom(...NAMES)
const where: fc.Arbitrary<Where> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ entry: fc.nat(200) }) },
  { weight: 4, arbitrary: fc.record({ directory: fc.nat(50), name }) },
  { weight: 1, arbitrary: fc.record({ path: fc.array(name, { maxLength: 4 }) }) },
)
/** What is likely to be free. */
const fresh: fc.Arbitrary<Where> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ directory: fc.nat(50), name }) },
  { weight: 1, arbitrary: where },
)
/** Around the limits of what is kept inline and of chunks; large ones seldom, since they take their time. */
const extent = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(0, 1, 2, 7, 100, 1000) },
  { weight: 20, arbitrary: fc.constantFrom(MAX_INLINE_BYTES - 1, MAX_INLINE_BYTES, MAX_INLINE_BYTES + 1) },
  { weight: 20, arbitrary: fc.integer({ min: 0, max: 20_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(MiB - 1, MiB, MiB + 1, 2 * MiB + 1) },
)
const bytes: fc.Arbitrary<Bytes> = fc.record({ size: extent, seed: fc.integer({ min: 1, max: 6 }) })
const whichTag = fc.constantFrom<WhichTag>('any', 'current', 'other')
const conditions: fc.Arbitrary<ConditionPlan | undefined> = fc.oneof(
  { weight: 5, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.record({ ifMatch: whichTag }) },
  { weight: 1, arbitrary: fc.record({ ifNoneMatch: whichTag }) },
)
const mode = fc.constantFrom(0, 0o600, 0o4755, 0o7777)
const id = fc.constantFrom(0, 1000, 0xffff_ffff)
const timeNs = fc.constantFrom(-1n, 0n, 1_600_000_000_123_456_789n)
const changes = fc.record(
  { mode, uid: id, gid: id, atimeNs: timeNs, mtimeNs: timeNs },
  { requiredKeys: [] },
) as fc.Arbitrary<AttributeChanges>
const put = {
  conditions,
  attributes: fc.option(changes, { nil: undefined, freq: 3 }),
  createParents: fc.boolean(),
}
const xattrName = fc.constantFrom('user.x', 'user.y', 'é', '\udc80')
const linkTarget = fc.oneof(
  { weight: 4, arbitrary: name },
  fc.tuple(name, name).map((names) => names.join('/')),
  name.map((next) => `../${next}`),
  fc.constantFrom('..', '.', '/a', 'a/./b/', '../../../b'),
)
const nth = fc.nat(7)
const limit = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(1000, 10_000))

type Kind = Operation['do']
type Fields<K extends Kind> = Omit<Extract<Operation, { do: K }>, 'do'>

function operation<K extends Kind>(weight: number, kind: K, fields: { [F in keyof Fields<K>]: fc.Arbitrary<Fields<K>[F]> }) {
  return { weight, arbitrary: fc.record({ do: fc.constant(kind), ...fields }) as unknown as fc.Arbitrary<Operation> }
}

export interface Kinds {
  /** Whether the stores are opened anew now and then. */
  readonly reopen: boolean
}

export function anyOperation({ reopen }: Kinds): fc.Arbitrary<Operation> {
  return fc.oneof(
    operation(14, 'write-file', { at: where, bytes, digest: fc.boolean(), ...put }),
    operation(18, 'write-at', { at: where, offset: extent, bytes }),
    operation(6, 'truncate', { at: where, size: extent }),
    operation(5, 'punch', { at: where, offset: extent, length: extent }),
    operation(10, 'copy-range', {
      source: where,
      target: fc.option(where, { nil: undefined }),
      sourceOffset: extent,
      targetOffset: extent,
      length: extent,
    }),
    operation(10, 'make-directory', { at: fresh, parents: fc.boolean(), mode }),
    operation(5, 'make-symlink', { at: fresh, target: linkTarget, createParents: fc.boolean() }),
    operation(3, 'make-node', { at: fresh, type: fc.constantFrom('file', 'fifo', 'block-device'), rdev: fc.nat(1000) }),
    operation(6, 'link', { source: where, target: fresh }),
    operation(12, 'rename', {
      source: where,
      target: where,
      mode: fc.constantFrom<RenameMode>('replace', 'replace', 'no-replace', 'exchange'),
      createParents: fc.boolean(),
    }),
    operation(5, 'copy', {
      source: where,
      target: where,
      recursive: fc.boolean(),
      createParents: fc.boolean(),
      replace: fc.boolean(),
    }),
    operation(8, 'remove', { at: where, recursive: fc.nat(3).map((dice) => dice === 0), conditions }),
    operation(4, 'set-attributes', { at: where, changes }),
    operation(3, 'write-xattr', {
      at: where,
      name: xattrName,
      bytes: fc.record({ size: fc.constantFrom(0, 10, 5000), seed: fc.nat(5) }),
      mode: fc.constantFrom('create', 'replace', undefined),
    }),
    operation(2, 'remove-xattr', { at: where, name: xattrName }),
    operation(4, 'stat', { at: where, follow: fc.boolean() }),
    operation(1, 'read-symlink', { at: where }),
    operation(4, 'open', { at: where, follow: fc.boolean() }),
    operation(6, 'read', { file: nth, offset: extent, length: extent }),
    operation(2, 'close', { file: nth }),
    operation(4, 'list', { at: where, recursive: fc.boolean(), limit }),
    operation(8, 'list-on', { listing: nth, limit }),
    operation(4, 'begin-upload', { at: where, ...put }),
    operation(8, 'write-part', { upload: nth, number: fc.constantFrom(1, 2, 3, 10_000), bytes }),
    operation(4, 'commit-upload', {
      upload: nth,
      expect: fc.constantFrom('nothing', 'nothing', 'right', 'right', 'size', 'digest'),
    }),
    operation(1, 'abort-upload', { upload: nth }),
    operation(2, 'set-quota', {
      spareBytes: fc.option(fc.constantFrom(0, 100, 10_000), { nil: undefined }),
      spareFiles: fc.option(fc.constantFrom(0, 1, 5), { nil: undefined }),
    }),
    operation(4, 'collect', { afterMs: fc.constantFrom(0, 500, 1_100, 1_100, 5_000, 61_000) }),
    operation(reopen ? 1 : 0, 'reopen', {}),
  )
}
