// What the model of a volume is made of.

import type { ErrorCode } from '#foundation/errors.ts'
import type { Path } from '#foundation/path.ts'
import { entityTag, type FileType } from '#metadata/attributes.ts'
import type { AttributeChanges, Conditions } from './volume.ts'

export class ModelError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode) {
    super(code)
    this.code = code
  }
}

export interface ModelNode {
  /** Learnt from the volume when it first shows the node. */
  inode: number | undefined
  type: FileType
  mode: number
  uid: number
  gid: number
  rdev: number
  version: number
  atimeNs: bigint
  mtimeNs: bigint
  ctimeNs: bigint
  btimeNs: bigint
  /** A file's contents, a symbolic link's target. Never changed in place. */
  bytes: Buffer
  xattrs: Map<string, Buffer>
  entries: Map<string, ModelNode>
}

export interface ModelUpload {
  path: Path
  conditions: Conditions | undefined
  attributes: AttributeChanges | undefined
  createParents: boolean
  expiresNs: bigint
  parts: Map<number, Buffer>
}

export interface ModelEntry {
  readonly path: Path
  readonly node: ModelNode
  /** The bytes of the path; a directory's end in a slash. */
  readonly key: Buffer
}

export interface PutOptions {
  readonly conditions?: Conditions | undefined
  readonly attributes?: AttributeChanges | undefined
  readonly createParents?: boolean | undefined
}

export interface ModelCopy {
  readonly recursive: boolean
  readonly createParents: boolean
  readonly replace: boolean
}

export type Directory = ModelNode & { type: 'directory' }

export const isDirectory = (node: ModelNode | undefined): node is Directory => node?.type === 'directory'

export const SLASH = Buffer.from('/')

export const NOTHING = Buffer.alloc(0)

export function contentsOf({ parts }: ModelUpload): Buffer {
  return Buffer.concat([...parts].toSorted(([a], [b]) => a - b).map(([, bytes]) => bytes))
}

export function tagOf({ inode, version }: ModelNode): string {
  return inode === undefined ? 'of what was never shown' : entityTag({ inode, version } as Parameters<typeof entityTag>[0])
}

export function checkConditions(conditions: Conditions | undefined, node: ModelNode | undefined): void {
  const { ifMatch, ifNoneMatch } = conditions ?? {}
  const isAmong = (tags: '*' | readonly string[]) => node !== undefined && (tags === '*' || tags.includes(tagOf(node)))
  if (ifMatch !== undefined && !isAmong(ifMatch)) throw new ModelError('PRECONDITION_FAILED')
  if (ifNoneMatch !== undefined && isAmong(ifNoneMatch)) throw new ModelError('PRECONDITION_FAILED')
}

export function contains(above: ModelNode, node: ModelNode): boolean {
  return above === node || [...above.entries.values()].some((next) => contains(next, node))
}

export function overlay(before: Buffer, offset: number, bytes: Buffer): Buffer {
  const after = Buffer.alloc(Math.max(before.length, offset + bytes.length))
  before.copy(after)
  bytes.copy(after, offset)
  return after
}

/** A copy in which a node with several names is one node again. */
export function cloneTree(root: ModelNode): ModelNode {
  const clones = new Map<ModelNode, ModelNode>()
  const clone = (node: ModelNode): ModelNode => {
    const known = clones.get(node)
    if (known !== undefined) return known
    const copy = { ...node, xattrs: new Map(node.xattrs), entries: new Map<string, ModelNode>() }
    clones.set(node, copy)
    for (const [name, next] of node.entries) copy.entries.set(name, clone(next))
    return copy
  }
  return clone(root)
}
