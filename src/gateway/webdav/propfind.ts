import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { GuardedVolume, PlacedLock } from '#volume/locks.ts'
import type { Entry } from '#volume/volume.ts'
import { type DavRequest, readGuard } from './dav-request.ts'
import { type EntryTarget, formatHref } from './dav-target.ts'
import { DEAD_PROPERTIES_XATTR, decodeDeadProperties } from './dead-properties.ts'
import { HideShadowed } from './hide-shadowed.ts'
import { knownVolumes } from './known-volumes.ts'
import type { PropertyFacts, Resource } from './live-properties.ts'
import { LockIndex } from './lock-index.ts'
import { Multistatus } from './multistatus.ts'
import { type AskedProperties, isNamed, readAsked } from './propfind-request.ts'
import { propertyResponse } from './property-response.ts'
import { readDepth } from './request-headers.ts'

/** Entries in a page: with each may come 64 KiB of dead properties. */
const ENTRIES_PER_PAGE = 200
/** Depth infinity is answered for trees up to this; a larger one is refused before anything is sent (RFC 4918, section 9.1). */
const INFINITE_ENTRIES_MAX = 10_000

export async function propfind(request: DavRequest): Promise<void> {
  const { exchange, target } = request
  const depth = readDepth(exchange, ['0', '1', 'infinity'], 'infinity')
  const asked = await readAsked(exchange)
  if (target.kind === 'entry') return propfindEntry({ ...request, target }, { depth, asked })
  if (depth === 'infinity') throw tooDeep('the whole server')
  const above = { isCollection: true, attributes: undefined, dead: [], locks: [] }
  const facts = { nowMs: request.services.clock.nowMs(), quota: undefined, hrefOf: () => '' }
  const top = target.kind === 'top' ? { ...above, href: '/', name: '' } : { ...above, href: '/dav/', name: 'dav' }
  const responses = [propertyResponse(top, asked, facts)]
  let headers: readonly string[] = []
  if (depth === '1') {
    if (target.kind === 'top') responses.push(propertyResponse({ ...above, href: '/dav/', name: 'dav' }, asked, facts))
    else {
      const known = await knownVolumes(request.services)
      headers = known.headers
      for (const name of known.names) responses.push(propertyResponse(await topOf(request, name), asked, facts))
    }
  }
  const answer = new Multistatus(exchange, headers)
  await answer.write(responses)
  answer.end()
}

async function topOf({ services }: DavRequest, name: string): Promise<Resource> {
  const attributes = await (await services.volumes.open(name)).stat([])
  return { href: formatHref(name, [], true), name, isCollection: true, attributes, dead: [], locks: [] }
}

interface Asked {
  readonly depth: '0' | '1' | 'infinity'
  readonly asked: AskedProperties
}

async function propfindEntry(request: DavRequest<EntryTarget>, { depth, asked }: Asked): Promise<void> {
  const { exchange, services, target, caller } = request
  const volume = await services.volumes.open(target.volume)
  const guard = readGuard(request, target.volume)
  if (guard.lists.length > 0) await volume.locks.check([], { caller, guard })
  const attributes = await statVisible(volume, target.path)
  if (attributes === undefined) throw new ShoalError('NOT_FOUND', `There is nothing at "/${formatPath(target.path)}"`)
  const listing = await Tree.open(request, { volume, asked })
  const wantsMembers = depth !== '0' && attributes.type === 'directory'
  if (wantsMembers && depth === 'infinity') await listing.checkSize()
  const own = listing.respond(target.path, attributes, await listing.readDead())
  const answer = new Multistatus(exchange)
  await answer.write([own])
  if (wantsMembers)
    for await (const page of listing.pages(depth === 'infinity')) await answer.write(await listing.respondAll(page))
  answer.end()
}

/** What WebDAV shows: files and directories, also where a symbolic link leads to them. */
export async function statVisible(volume: GuardedVolume, path: Path): Promise<Attributes | undefined> {
  const attributes = await volume.stat(path, { follow: true })
  return attributes?.type === 'file' || attributes?.type === 'directory' ? attributes : undefined
}

/** A resource with what is below it. */
class Tree {
  readonly #volume: GuardedVolume
  readonly #target: EntryTarget
  readonly #asked: AskedProperties
  readonly #facts: PropertyFacts
  readonly #locks: LockIndex
  readonly #wantsDead: boolean

  private constructor(
    target: EntryTarget,
    parts: { volume: GuardedVolume; asked: AskedProperties; facts: PropertyFacts; locks: LockIndex },
  ) {
    this.#target = target
    this.#volume = parts.volume
    this.#asked = parts.asked
    this.#facts = parts.facts
    this.#locks = parts.locks
    this.#wantsDead =
      parts.asked.kind !== 'these' ||
      parts.asked.names.some(({ namespace }) => namespace !== 'DAV:') ||
      isNamed(parts.asked, 'displayname', 'getcontentlanguage')
  }

  static async open(
    { services, target }: DavRequest<EntryTarget>,
    { volume, asked }: { volume: GuardedVolume; asked: AskedProperties },
  ): Promise<Tree> {
    const wantsLocks = asked.kind === 'all' || isNamed(asked, 'lockdiscovery')
    const locks = new LockIndex(target.path, wantsLocks ? await volume.locks.find(target.path) : { covering: [], below: [] })
    const wantsQuota = isNamed(asked, 'quota-used-bytes', 'quota-available-bytes') || asked.kind === 'names'
    const facts: PropertyFacts = {
      nowMs: services.clock.nowMs(),
      quota: wantsQuota ? await readQuota(services, target.volume) : undefined,
      hrefOf: ({ root }: PlacedLock) => formatHref(target.volume, root, false),
    }
    return new Tree(target, { volume, asked, facts, locks })
  }

  async readDead(): Promise<Buffer | undefined> {
    if (!this.#wantsDead) return undefined
    try {
      return await this.#volume.readXattr(this.#target.path, DEAD_PROPERTIES_XATTR)
    } catch (error) {
      // Behind a symbolic link on the way, where properties can't be set either.
      if (isShoalError(error, 'NOT_A_DIRECTORY') || isShoalError(error, 'NOT_FOUND')) return undefined
      throw error
    }
  }

  respond(path: Path, attributes: Attributes, dead: Buffer | undefined): string {
    const isCollection = attributes.type === 'directory'
    const { volume } = this.#target
    const resource: Resource = {
      href: formatHref(volume, path, isCollection),
      name: path.at(-1) ?? volume,
      isCollection,
      attributes,
      dead: decodeDeadProperties(dead),
      locks: this.#locks.covering(path),
    }
    return propertyResponse(resource, this.#asked, this.#facts)
  }

  async respondAll(entries: readonly Entry[]): Promise<string[]> {
    const responses: string[] = []
    for (const { path: below, attributes, xattr } of entries) {
      const path = [...this.#target.path, ...below]
      const shown = attributes.type === 'symlink' ? await this.#follow(path) : attributes
      if (shown?.type === 'file' || shown?.type === 'directory') responses.push(this.respond(path, shown, xattr))
    }
    return responses
  }

  /** A link that leads nowhere, or round in a circle, shows nothing. */
  async #follow(path: Path): Promise<Attributes | undefined> {
    try {
      return await this.#volume.stat(path, { follow: true })
    } catch (error) {
      if (error instanceof ShoalError) return undefined
      throw error
    }
  }

  async *pages(recursive: boolean): AsyncGenerator<readonly Entry[]> {
    const visible = new HideShadowed()
    const options = { recursive, limit: ENTRIES_PER_PAGE, ...(this.#wantsDead ? { xattr: DEAD_PROPERTIES_XATTR } : {}) }
    let cursor: string | undefined
    do {
      const page = await this.#volume.list(this.#target.path, { ...options, ...(cursor === undefined ? {} : { cursor }) })
      yield page.entries.flatMap((entry) => visible.accept(entry))
      cursor = page.next
    } while (cursor !== undefined)
    yield visible.finish()
  }

  /** @throws FORBIDDEN for a tree of more than `INFINITE_ENTRIES_MAX` entries */
  async checkSize(): Promise<void> {
    const { path } = this.#target
    const { next } = await this.#volume.list(path, { recursive: true, limit: INFINITE_ENTRIES_MAX })
    if (next !== undefined) throw tooDeep(`"/${formatPath(path)}"`)
  }
}

function tooDeep(what: string): ShoalError {
  return new ShoalError(
    'FORBIDDEN',
    `Depth infinity is not answered for ${what}, which may have more than ${INFINITE_ENTRIES_MAX} entries: ask with depth 1`,
    {
      details: { condition: 'propfind-finite-depth' },
    },
  )
}

/** What the volume may still take: by its quota, or else what is left on the disk. */
async function readQuota({ volumes }: DavRequest['services'], name: string): Promise<PropertyFacts['quota']> {
  const info = await volumes.find(name)
  if (info === undefined) return undefined
  const { quotaBytes } = info.policy
  const freeBytes = await volumes.freeBytes()
  const left = quotaBytes === undefined ? undefined : Math.max(0, quotaBytes - info.usage.bytes)
  const availableBytes = left === undefined ? freeBytes : Math.min(left, freeBytes ?? left)
  return { usedBytes: info.usage.bytes, availableBytes }
}
