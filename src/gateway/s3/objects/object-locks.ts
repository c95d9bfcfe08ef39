// GetObjectRetention, PutObjectRetention, GetObjectLegalHold and PutObjectLegalHold.

import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { ObjectProperties } from '#volume/objects.ts'
import { checkRetentionChange, lockMissing, parseUntil, requireHold, requireMode } from '../object-lock.ts'
import type { Retention } from '../object-lock.ts'
import { S3_NAMESPACE, type S3Call, type S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { bypassOf } from './delete-object.ts'
import { findObject, missing, openBucket, targetOf } from './find-object.ts'

export const getObjectRetention: S3Operation = {
  name: 'GetObjectRetention',
  method: 'GET',
  where: 'object',
  markers: ['retention'],
  async handle(call) {
    const { retention } = await propertiesOf(call)
    if (retention === undefined) throw notLocked()
    const xml = new XmlWriter('Retention', { xmlns: S3_NAMESPACE }).leaf('Mode', retention.mode)
    call.sendXml(200, xml.leaf('RetainUntilDate', new Date(retention.untilMs).toISOString()))
  },
}

export const putObjectRetention: S3Operation = {
  name: 'PutObjectRetention',
  method: 'PUT',
  where: 'object',
  markers: ['retention'],
  async handle(call) {
    const { key, bucket } = call
    const nowMs = call.services.clock.nowMs()
    const retention = readRetention(await call.readXml('Retention'), nowMs)
    const bypass = await bypassOf(call, { bucket, key })
    await changeLock(call, (properties) => {
      checkRetentionChange(properties.retention, retention, { nowMs, bypass })
      const { retention: _, ...rest } = properties
      return retention === undefined ? rest : { ...rest, retention }
    })
  },
}

export const getObjectLegalHold: S3Operation = {
  name: 'GetObjectLegalHold',
  method: 'GET',
  where: 'object',
  markers: ['legal-hold'],
  async handle(call) {
    const { legalHold } = await propertiesOf(call)
    if (legalHold === undefined) throw notLocked()
    call.sendXml(200, new XmlWriter('LegalHold', { xmlns: S3_NAMESPACE }).leaf('Status', legalHold ? 'ON' : 'OFF'))
  },
}

export const putObjectLegalHold: S3Operation = {
  name: 'PutObjectLegalHold',
  method: 'PUT',
  where: 'object',
  markers: ['legal-hold'],
  async handle(call) {
    const root = await call.readXml('LegalHold')
    const status = root.children.find(({ name }) => name === 'Status')?.text.trim() ?? ''
    const legalHold = requireHold(status, malformed)
    await changeLock(call, (properties) => ({ ...properties, legalHold }))
  },
}

async function propertiesOf(call: S3Call): Promise<ObjectProperties> {
  await requireLock(call)
  return (await findObject(await openBucket(call), targetOf(call))).properties
}

async function changeLock(call: S3Call, change: (properties: ObjectProperties) => ObjectProperties): Promise<void> {
  await requireLock(call)
  const target = targetOf(call)
  const objects = await openBucket(call)
  const found = await objects.change(target.key, { caller: call.caller, versionId: target.versionId, change })
  if (found === undefined || 'marker' in found) throw missing(target, found)
  call.sendEmpty(200, ['x-amz-version-id', found.object.versionId])
}

async function requireLock(call: S3Call): Promise<void> {
  const { settings } = await call.services.volumes.openBucket(call.bucket)
  if (settings.objectLock === undefined) throw lockMissing()
}

/** An empty document takes the retention back. */
function readRetention(root: XmlElement, nowMs: number): Retention | undefined {
  if (root.children.length === 0) return undefined
  const text = (name: string) => root.children.find((child) => child.name === name)?.text.trim()
  const [mode, until] = [text('Mode'), text('RetainUntilDate')]
  if (mode === undefined || until === undefined) throw malformed('Mode and RetainUntilDate are expected')
  return { mode: requireMode(mode, malformed), untilMs: parseUntil(until, nowMs) }
}

function malformed(why: string): S3Error {
  return new S3Error('MalformedXML', `The document can't be read: ${why}`)
}

function notLocked(): S3Error {
  return new S3Error('NoSuchObjectLockConfiguration', 'The specified object does not have a ObjectLock configuration')
}
