import { ShoalError } from '#foundation/errors.ts'
import { encodeName, standsForBytes } from '#foundation/name.ts'
import { parsePath } from '#foundation/path.ts'
import type { Path } from '#foundation/path.ts'
import { partOfMark } from '#foundation/request-mark.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { type AttributeChanges, type Caller, checkXattr, type Conditions, type Volume } from '#volume/volume.ts'
import { notFound } from './read-file.ts'
import type { Operation } from './schemas.ts'
import { parseTimestamp } from '#foundation/timestamp.ts'

export interface OperationOutcome {
  readonly status: 200 | 201
  readonly path: Path
  readonly attributes: Attributes
}

interface OperationTarget {
  readonly path: Path
  readonly caller: Caller
}

const DEFAULT_NODE_MODE = 0o644

/** Does what a `POST …/entries/{path}` asks for. @throws what the volume throws */
export async function applyOperation(
  volume: Volume,
  operation: Operation,
  { path, caller }: OperationTarget,
): Promise<OperationOutcome> {
  const made = (attributes: Attributes, at = path): OperationOutcome => ({ status: 201, path: at, attributes })
  const changed = (attributes: Attributes, at = path): OperationOutcome => ({ status: 200, path: at, attributes })
  switch (operation.op) {
    case 'mkdir':
      return made(
        await volume.makeDirectory(path, { caller, ...given('parents', operation.parents), ...given('mode', operation.mode) }),
      )
    case 'move': {
      const to = parsePath(operation.to)
      const options = {
        caller,
        ...given('mode', operation.mode),
        ...given('createParents', operation.parents),
        ...given('conditions', conditionsOf(operation)),
      }
      return changed(await volume.rename(path, to, options), to)
    }
    case 'copy': {
      const to = parsePath(operation.to)
      const { recursive, replace, parents } = operation
      const options = { caller, replace: replace ?? true, ...given('recursive', recursive), ...given('createParents', parents) }
      return made(await volume.copy(path, to, options), to)
    }
    case 'link': {
      const to = parsePath(operation.to)
      return made(await volume.link(path, to, caller), to)
    }
    case 'symlink':
      return made(await volume.makeSymlink(path, targetBytes(operation.target), { caller }))
    case 'mknod': {
      const { type, mode, rdev } = operation
      return made(await volume.makeNode(path, { type, mode: mode ?? DEFAULT_NODE_MODE, ...given('rdev', rdev) }, caller))
    }
    case 'attributes':
      return changed(await changeAttributes(volume, operation, { path, caller }))
    case 'truncate':
      return changed(await volume.truncate(path, operation.size, caller, conditionsOf(operation)))
    case 'punch':
      return changed(await volume.punch(path, { offset: operation.offset, length: operation.length }, caller))
    case 'reserve': {
      if (volume.reserve === undefined)
        throw new ShoalError('UNSUPPORTED', 'An eventual volume sets nothing aside: use a strong one, or set the length')
      const { offset, length, keepsSize } = operation
      return changed(await volume.reserve(path, { offset, length, keepsSize: keepsSize === true }, caller))
    }
    case 'copy-range': {
      const { from, fromOffset, offset, length } = operation
      const copy = { source: parsePath(from), sourceOffset: fromOffset ?? 0, target: path, targetOffset: offset ?? 0, length }
      return changed(await volume.copyRange(copy, caller))
    }
  }
}

async function changeAttributes(
  volume: Volume,
  operation: Extract<Operation, { op: 'attributes' }>,
  { path, caller }: OperationTarget,
): Promise<Attributes> {
  const changes = attributeChanges(operation)
  const xattrs = Object.entries(operation.xattrs ?? {}).map(([name, value]) => ({
    name,
    value: value === null ? undefined : Buffer.from(value, 'base64'),
  }))
  // One that can't be must not leave those before it behind.
  for (const { name, value } of xattrs) checkXattr({ name, value: value ?? Buffer.alloc(0) })
  for (const { name, value } of xattrs) {
    const one = partOf(caller, `xattr ${name}`)
    if (value !== undefined) await volume.writeXattr(path, { name, value }, one)
    else if ((await volume.readXattr(path, name)) !== undefined) await volume.removeXattr(path, name, one)
  }
  if (Object.keys(changes).length === 0) return found(volume, path)
  return volume.setAttributes(path, changes, caller)
}

/** The same for one of several changes. */
function partOf(caller: Caller, part: string): Caller {
  return caller.request === undefined ? caller : { ...caller, request: partOfMark(caller.request, part) }
}

/** Conditions that are given in JSON, by one entity tag. */
export function conditionsOf(asked: {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: '*' | undefined
}): Conditions | undefined {
  const { ifMatch, ifNoneMatch } = asked
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined
  return { ...(ifMatch === undefined ? {} : { ifMatch: [ifMatch] }), ...given('ifNoneMatch', ifNoneMatch) }
}

/** Where a symbolic link leads, from JSON. @throws INVALID_ARGUMENT */
export function targetBytes(target: string): Buffer {
  if (standsForBytes(target)) return encodeName(target)
  throw new ShoalError(
    'INVALID_ARGUMENT',
    `The target ${JSON.stringify(target.slice(0, 80))} stands for no bytes: a lone surrogate is U+DC80 to U+DCFF for a byte that is not UTF-8`,
  )
}

export function attributeChanges(asked: {
  readonly mode?: number | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly mtime?: string | undefined
  readonly atime?: string | undefined
}): AttributeChanges {
  return {
    ...given('mode', asked.mode),
    ...given('uid', asked.uid),
    ...given('gid', asked.gid),
    ...(asked.mtime === undefined ? {} : { mtimeNs: parseTimestamp(asked.mtime, 'mtime') }),
    ...(asked.atime === undefined ? {} : { atimeNs: parseTimestamp(asked.atime, 'atime') }),
  }
}

async function found(volume: Volume, path: Path): Promise<Attributes> {
  const attributes = await volume.stat(path)
  if (attributes === undefined) throw notFound(path)
  return attributes
}

function given<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value }
}
