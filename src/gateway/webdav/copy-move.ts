import { ShoalError } from '#foundation/errors.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { GuardedVolume, WriteGuard } from '#volume/locks.ts'
import type { Caller } from '#volume/volume.ts'
import { copyAcross } from './copy-across.ts'
import { type DavRequest, readGuard } from './dav-request.ts'
import { type EntryTarget, parseReference } from './dav-target.ts'
import { checkHttpConditions } from './http-conditions.ts'
import { readDepth, readOverwrite, single } from './request-headers.ts'

interface Place {
  readonly volume: GuardedVolume
  readonly path: Path
  readonly guard: WriteGuard
  readonly found: Attributes | undefined
}

interface Transfer {
  readonly source: Place & { readonly found: Attributes }
  readonly target: Place
  readonly caller: Caller
  readonly isWhole: boolean
}

/** COPY and MOVE (RFC 4918, sections 9.8 and 9.9). */
export async function transfer(request: DavRequest<EntryTarget>): Promise<void> {
  const { exchange, caller } = request
  const isMove = exchange.method === 'MOVE'
  const depth = isMove ? readDepth(exchange, ['infinity'], 'infinity') : readDepth(exchange, ['0', 'infinity'], 'infinity')
  const overwrite = readOverwrite(exchange)
  const destination = readDestination(request)
  const source = await findPlace(request, request.target)
  if (source.found === undefined)
    throw new ShoalError('NOT_FOUND', `There is nothing at "/${formatPath(source.path)}"`, { details: { status: 404 } })
  checkHttpConditions(request, source.found)
  const target = await findPlace(request, destination)
  const isSameVolume = destination.volume === request.target.volume
  refuseOverlap({ source, target, isSameVolume, isMove, depth })
  if (target.found !== undefined && !overwrite)
    throw new ShoalError('PRECONDITION_FAILED', `There is something at "/${formatPath(target.path)}", and Overwrite is F`)
  await requireParent(target)
  const task = { source: { ...source, found: source.found }, target, caller, isWhole: depth === 'infinity' }
  if (!isSameVolume) await transferAcross(request, task, isMove)
  else if (isMove) await move(task)
  else await copy(task)
  exchange.send(target.found === undefined ? 201 : 204, [])
}

function readDestination({ exchange }: DavRequest): EntryTarget {
  const header = single(exchange, 'destination')
  if (header === undefined) throw new ShoalError('INVALID_ARGUMENT', `${exchange.method} needs the header Destination`)
  const destination = parseReference(header, exchange.headers.host)
  if (destination?.kind === 'entry') return destination
  const why = destination === undefined ? 'is not on this server' : 'is no place in a volume'
  throw new ShoalError('FORBIDDEN', `The destination "${header.slice(0, 200)}" ${why}`, {
    details: { status: destination === undefined ? 502 : 403 },
  })
}

async function findPlace(request: DavRequest, { volume: name, path }: EntryTarget): Promise<Place> {
  const volume = await request.services.volumes.open(name)
  return { volume, path, guard: readGuard(request, name), found: await volume.stat(path) }
}

const isWithin = (outer: Path, inner: Path): boolean =>
  inner.length >= outer.length && outer.every((name, at) => inner[at] === name)

function refuseOverlap(all: {
  readonly source: Place
  readonly target: Place
  readonly isSameVolume: boolean
  readonly isMove: boolean
  readonly depth: '0' | 'infinity'
}): void {
  const { source, target, isSameVolume, isMove, depth } = all
  if (target.path.length === 0) throw new ShoalError('FORBIDDEN', 'A volume itself can not be replaced')
  if (isMove && source.path.length === 0) throw new ShoalError('FORBIDDEN', 'A volume itself can not be moved')
  if (!isSameVolume) return
  if (isWithin(target.path, source.path))
    throw new ShoalError('FORBIDDEN', 'The destination is the source itself, or a collection that the source is in')
  if (isWithin(source.path, target.path) && (isMove || depth === 'infinity'))
    throw new ShoalError('MOVE_INTO_ITSELF', 'The destination is inside of the source')
}

async function requireParent({ volume, path }: Place): Promise<void> {
  const parent = await volume.stat(path.slice(0, -1))
  if (parent?.type !== 'directory')
    throw new ShoalError('NOT_FOUND', `There is no collection "/${formatPath(path.slice(0, -1))}" at the destination`)
}

/** One step as seen at the destination. Where a collection is replaced, or replaces something, the two change places,
 *  and what was replaced is then removed. */
async function move({ source, target, caller }: Transfer): Promise<void> {
  const { volume, guard } = source
  const { found } = target
  if (found === undefined) {
    await volume.rename(source.path, target.path, { caller, guard, mode: 'no-replace' })
    return
  }
  // Two names of one file: what is left is the one.
  if (found.inode === source.found.inode) return volume.remove(source.path, { caller, guard })
  if (found.type !== 'directory' && source.found.type !== 'directory') {
    await volume.rename(source.path, target.path, { caller, guard, mode: 'replace' })
    return
  }
  await volume.rename(source.path, target.path, { caller, guard, mode: 'exchange' })
  await volume.remove(source.path, { caller, recursive: true, conditions: { ifMatch: [entityTag(found)] } })
}

async function copy({ source, target, caller, isWhole }: Transfer): Promise<void> {
  const { volume } = source
  const shape = isWhole ? { recursive: true } : { depth: 'self' as const }
  let { guard } = target
  if (target.found !== undefined && (target.found.type === 'directory' || source.found.type === 'directory')) {
    // RFC 4918, section 9.8.4: a collection that is replaced is removed with everything in it, not merged.
    await volume.remove(target.path, { caller, recursive: true, guard })
    guard = { lists: [], tokens: guard.tokens }
  }
  await volume.copy(source.path, target.path, { caller, guard, exact: true, ...shape })
}

async function transferAcross(request: DavRequest, task: Transfer, isMove: boolean): Promise<void> {
  const { source, target, caller } = task
  await checkAcross(task, isMove)
  const held = { lists: [], tokens: target.guard.tokens }
  // One file over another is one step; anything else makes room first.
  if (target.found !== undefined && (target.found.type !== 'file' || source.found.type !== 'file'))
    await target.volume.remove(target.path, { caller, recursive: true, guard: held })
  await copyAcross(request, task, held)
  if (isMove)
    await source.volume.remove(source.path, { caller, recursive: true, guard: { ...held, tokens: source.guard.tokens } })
}

/** Each volume knows its own state alone: a condition may hold in either. @throws PRECONDITION_FAILED, LOCKED */
async function checkAcross({ source, target, caller }: Transfer, isMove: boolean): Promise<void> {
  const bare = { lists: [], tokens: source.guard.tokens }
  if (isMove) await source.volume.locks.check([{ kind: 'remove', path: source.path }], { caller, guard: bare })
  await target.volume.locks.check([{ kind: 'replace', path: target.path }], { caller, guard: bare })
  const holds = async ({ volume, guard }: Place): Promise<boolean> => {
    try {
      await volume.locks.check([], { caller, guard })
      return true
    } catch (error) {
      if (error instanceof ShoalError && error.code === 'PRECONDITION_FAILED') return false
      throw error
    }
  }
  if (!(await holds(source)) && !(await holds(target)))
    throw new ShoalError('PRECONDITION_FAILED', 'No list of the If header holds: the locks or entity tags are others by now')
}
