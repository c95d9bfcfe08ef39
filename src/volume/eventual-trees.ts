import type { EntryValue } from '#eventual/entry.ts'
import type { EventualNamespace } from '#eventual/namespace.ts'
import { ShoalError } from '#foundation/errors.ts'
import { keyOfPath } from '#foundation/object-key.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import { DEFAULT_DIRECTORY_MODE } from '#metadata/files.ts'
import { directoryKey, directoryValue } from './eventual-attributes.ts'
import { copiedTags } from './eventual-object-info.ts'
import { XATTR_PREFIX } from './eventual-xattrs.ts'
import type { Volume } from './volume.ts'

interface TreeParts {
  readonly volume: Pick<Volume, 'stat'>
  readonly namespace: EventualNamespace
  readonly nowNs: bigint
}

/** Copies a file, or what is in a directory entry by entry, by reference: both have the same chunks then.
 *  @throws NOT_FOUND, ALREADY_EXISTS, IS_A_DIRECTORY without `recursive`, MOVE_INTO_ITSELF */
export async function copyEventualTree(
  { volume, namespace, nowNs }: TreeParts,
  { source, target }: { readonly source: Path; readonly target: Path },
  options: Pick<Parameters<Volume['copy']>[2], 'recursive' | 'replace' | 'depth' | 'exact'>,
): Promise<void> {
  const [from, to] = [await volume.stat(source), await volume.stat(target)]
  if (from === undefined) throw new ShoalError('NOT_FOUND', `There is no "/${formatPath(source)}" on this node`)
  if (to !== undefined && (options.replace !== true || to.type === 'directory'))
    throw new ShoalError('ALREADY_EXISTS', `There is "/${formatPath(target)}" already`)
  if (from.type !== 'directory') return copyFile(namespace, { source, target, nowNs, isExact: options.exact === true })
  if (options.recursive !== true && options.depth !== 'self')
    throw new ShoalError('IS_A_DIRECTORY', `"/${formatPath(source)}" is a directory: copy it with all that is in it`)
  const [prefix, goal] = [directoryKey(source), directoryKey(target)]
  if (goal.startsWith(prefix)) throw new ShoalError('MOVE_INTO_ITSELF', `"${prefix}" can't be copied into itself`)
  const own = prefix === '' ? undefined : await namespace.stat(prefix)
  const made = directoryValue({ mode: DEFAULT_DIRECTORY_MODE, uid: 0, gid: 0, mtimeNs: nowNs })
  await namespace.put(goal, own?.value ?? made)
  if (options.depth === 'self') return
  for (let cursor: string | undefined; ;) {
    const { items, next } = await namespace.list({ prefix, ...(cursor === undefined ? {} : { cursor }) })
    for (const item of items)
      if ('entry' in item && item.entry.path !== prefix)
        await namespace.put(goal + item.entry.path.slice(prefix.length), copied(item.entry.value, nowNs))
    if (next === undefined) return
    cursor = next
  }
}

async function copyFile(
  namespace: EventualNamespace,
  copy: { readonly source: Path; readonly target: Path; readonly nowNs: bigint; readonly isExact: boolean },
): Promise<void> {
  const [from, before] = [await namespace.stat(keyOfPath(copy.source)), await namespace.stat(keyOfPath(copy.target))]
  if (from === undefined) throw new ShoalError('NOT_FOUND', `There is no "/${formatPath(copy.source)}" on this node`)
  const own = copiedTags(from.value.tags)
  const tags = copy.isExact || before === undefined ? own : merged(before.value.tags, own)
  const base = before === undefined ? 'absent' : { time: before.version.time, node: before.version.node }
  await namespace.put(keyOfPath(copy.target), { ...from.value, tags, btimeNs: copy.nowNs }, { base })
}

function copied(value: EntryValue, nowNs: bigint): EntryValue {
  return { ...value, tags: copiedTags(value.tags), btimeNs: nowNs }
}

/** Extended attributes of what is replaced stay beside those of the source. */
function merged(before: EntryValue['tags'], from: EntryValue['tags']): EntryValue['tags'] {
  return new Map([...[...before].filter(([name]) => name.startsWith(XATTR_PREFIX)), ...from])
}
