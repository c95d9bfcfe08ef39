import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { formatPath } from '#foundation/path.ts'
import { parseHttpDate } from '#gateway/http/http-date.ts'
import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import type { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { AttributeChanges } from '#volume/volume.ts'
import { type DavRequest, readGuard } from './dav-request.ts'
import { type EntryTarget, formatHref } from './dav-target.ts'
import { DEAD_PROPERTIES_XATTR, decodeDeadProperties, encodeDeadProperties, keyOf, type PropertyName } from './dead-properties.ts'
import { checkHttpConditions } from './http-conditions.ts'
import { EXECUTABLE, findLive } from './live-properties.ts'
import { Multistatus, responseText, writeStatus } from './multistatus.ts'
import { isDav, readXmlBody } from './read-xml-body.ts'

interface Change {
  readonly kind: 'set' | 'remove'
  readonly property: XmlElement
}

/** Windows sets a file's times after storing it. */
const WIN32_MODIFIED = keyOf({ namespace: 'urn:schemas-microsoft-com:', name: 'Win32LastModifiedTime' })

/** PROPPATCH: all of the changes, in their order, or none. */
export async function patchProperties(request: DavRequest<EntryTarget>): Promise<void> {
  const { exchange, services, target, caller } = request
  const { path } = target
  const root = await readXmlBody(exchange, 'propertyupdate')
  const changes = root === undefined ? [] : readChanges(root)
  if (changes.length === 0) throw new ShoalError('INVALID_ARGUMENT', 'PROPPATCH needs a body with properties to set or remove')
  const volume = await services.volumes.open(target.volume)
  const guard = readGuard(request, target.volume)
  const found = await volume.stat(path)
  if (found === undefined) throw new ShoalError('NOT_FOUND', `There is nothing at "/${formatPath(path)}"`)
  checkHttpConditions(request, found)
  const href = formatHref(target.volume, path, found.type === 'directory')
  const refused = changes.filter((change) => !isPossible(change, found))
  if (refused.length > 0) {
    await volume.locks.check([{ kind: 'write', path }], { caller, guard })
    return answer(request, href, changes, (change) => (refused.includes(change) ? 403 : 424))
  }
  const nowMs = services.clock.nowMs()
  const update = (before: Buffer | undefined, attributes: Attributes) => {
    const dead = new Map(decodeDeadProperties(before).map((property) => [keyOf(property), property]))
    let changed: AttributeChanges = {}
    for (const change of changes) {
      changed = { ...changed, ...attributesOf(change, { ...attributes, ...changed }, nowMs) }
      const key = keyOf(change.property)
      if (key === keyOf(EXECUTABLE)) continue
      dead.delete(key)
      if (change.kind === 'set') dead.set(key, change.property)
    }
    return { value: encodeDeadProperties([...dead.values()]), attributes: changed }
  }
  try {
    await volume.updateXattr(path, DEAD_PROPERTIES_XATTR, { caller, guard, update })
  } catch (error) {
    if (!isShoalError(error, 'TOO_LARGE')) throw error
    return answer(request, href, changes, ({ kind }) => (kind === 'set' ? 507 : 424))
  }
  return answer(request, href, changes, () => 200)
}

function readChanges(root: XmlElement): Change[] {
  const changes: Change[] = []
  for (const element of root.children) {
    const kind: Change['kind'] | undefined = isDav(element, 'set') ? 'set' : isDav(element, 'remove') ? 'remove' : undefined
    if (kind === undefined) continue
    for (const prop of element.children.filter((child) => isDav(child, 'prop')))
      changes.push(...prop.children.map((property) => ({ kind, property: withLanguage(property, [prop, element, root]) })))
  }
  return changes
}

/** A language that is said further out is the property's too (RFC 4918, section 4.3). */
function withLanguage(property: XmlElement, around: readonly XmlElement[]): XmlElement {
  const LANGUAGE = '{http://www.w3.org/XML/1998/namespace}lang'
  const language = around.find(({ attributes }) => attributes.has(LANGUAGE))?.attributes.get(LANGUAGE)
  if (language === undefined || property.attributes.has(LANGUAGE)) return property
  return { ...property, attributes: new Map([...property.attributes, [LANGUAGE, language]]) }
}

function isPossible({ kind, property }: Change, { type }: Attributes): boolean {
  if (keyOf(property) === keyOf(EXECUTABLE))
    return kind === 'set' && type === 'file' && ['T', 'F'].includes(property.text.trim().toUpperCase())
  const live = findLive(property)
  return live === undefined || live.isWritable === true
}

function attributesOf({ kind, property }: Change, attributes: Pick<Attributes, 'mode'>, nowMs: number): AttributeChanges {
  if (kind === 'remove') return {}
  const text = property.text.trim()
  if (keyOf(property) === keyOf(EXECUTABLE)) {
    const { mode } = attributes
    // Who may read may execute, as chmod +x has it with the usual umask.
    return { mode: text.toUpperCase() === 'T' ? mode | ((mode & 0o444) >> 2) : mode & ~0o111 }
  }
  const timeMs = keyOf(property) === WIN32_MODIFIED ? parseHttpDate(text, nowMs) : undefined
  return timeMs === undefined ? {} : { mtimeNs: BigInt(timeMs) * 1_000_000n }
}

type Status = 200 | 403 | 424 | 507

/** One `propstat` for each status there is. */
async function answer(
  { exchange }: DavRequest,
  href: string,
  changes: readonly Change[],
  statusOf: (change: Change) => Status,
): Promise<void> {
  const byStatus = Map.groupBy(changes, statusOf)
  const text = responseText(href, (writer) => {
    for (const [status, all] of byStatus) {
      writer.start('D:propstat').start('D:prop')
      for (const { name, namespace } of distinct(all.map(({ property }) => property))) writer.element({ name, namespace })
      writer.end()
      writeStatus(writer, status)
      if (status === 403) writeProtected(writer)
      writer.end()
    }
  })
  const multistatus = new Multistatus(exchange)
  await multistatus.write([text])
  multistatus.end()
}

function writeProtected(writer: XmlWriter): void {
  writer.start('D:error').leaf('D:cannot-modify-protected-property', '').end()
}

const distinct = (names: readonly PropertyName[]): PropertyName[] => [
  ...new Map(names.map((name) => [keyOf(name), name])).values(),
]
