import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { PropertyName } from './dead-properties.ts'
import { keyOf } from './dead-properties.ts'
import type { PropertyFacts, Resource } from './live-properties.ts'
import { findLive, LIVE_NAMES } from './live-properties.ts'
import { responseText, writeStatus } from './multistatus.ts'
import type { AskedProperties } from './propfind-request.ts'

/** The `response` of PROPFIND for one resource. */
export function propertyResponse(resource: Resource, asked: AskedProperties, facts: PropertyFacts): string {
  return responseText(resource.href, (writer) => {
    const missing: PropertyName[] = []
    writer.start('D:propstat').start('D:prop')
    if (asked.kind === 'names') writeNames(writer, resource, facts)
    else {
      const names = asked.kind === 'these' ? asked.names : [...COMMON, ...asked.include]
      const seen = new Set<string>()
      for (const name of names) {
        if (seen.has(keyOf(name))) continue
        seen.add(keyOf(name))
        if (!writeProperty(writer, name, { resource, facts }) && !(asked.kind === 'all' && COMMON.includes(name)))
          missing.push(name)
      }
      if (asked.kind === 'all') for (const dead of resource.dead) if (!seen.has(keyOf(dead))) writer.element(dead)
    }
    writer.end()
    writeStatus(writer, 200)
    writer.end()
    if (missing.length === 0) return
    writer.start('D:propstat').start('D:prop')
    for (const { name, namespace } of missing) writer.element({ name, namespace })
    writer.end()
    writeStatus(writer, 404)
    writer.end()
  })
}

const COMMON = LIVE_NAMES.filter((name) => findLive(name)?.isCostly !== true)

interface Subject {
  readonly resource: Resource
  readonly facts: PropertyFacts
}

/** False if the resource doesn't have it. */
function writeProperty(writer: XmlWriter, name: PropertyName, { resource, facts }: Subject): boolean {
  const live = findLive(name)
  if (live?.write(writer, resource, facts) === true) return true
  const dead = resource.dead.find((each) => keyOf(each) === keyOf(name))
  if (dead !== undefined) writer.element(dead)
  return dead !== undefined
}

function writeNames(writer: XmlWriter, resource: Resource, facts: PropertyFacts): void {
  for (const { name, namespace } of LIVE_NAMES) {
    const has = findLive({ name, namespace })?.write(new XmlWriter('x'), resource, facts) === true
    if (has) writer.element({ name, namespace })
  }
  for (const { name, namespace } of resource.dead) writer.element({ name, namespace })
}
