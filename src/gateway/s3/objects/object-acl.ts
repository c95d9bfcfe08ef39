import type { Acl } from '#access/acl.ts'
import type { ObjectProperties } from '#volume/objects.ts'
import { objectFacts } from '../access/access-decision.ts'
import { writeAclXml } from '../access/acl-xml.ts'
import { rulesOf } from '../access/bucket-rules.ts'
import { listsOff } from '../access/written-acl.ts'
import { aclToKeep, readAskedAcl } from '../buckets/bucket-acl.ts'
import type { S3Call, S3Operation } from '../operation.ts'
import { ownerId } from '../owner.ts'
import { findObject, isVersioned, missing, openBucket, targetOf } from './find-object.ts'

export const getObjectAcl: S3Operation = {
  name: 'GetObjectAcl',
  method: 'GET',
  where: 'object',
  markers: ['acl'],
  async handle(call) {
    const objects = await openBucket(call)
    const { properties, versionId } = await findObject(objects, targetOf(call))
    const { owner, acl } = objectFacts(properties, await rulesOfCall(call))
    const headers = isVersioned(objects) ? ['x-amz-version-id', versionId] : []
    call.sendXml(200, writeAclXml({ ...acl, owner: ownerId(owner) }, call.services.names), headers)
  },
}

export const putObjectAcl: S3Operation = {
  name: 'PutObjectAcl',
  method: 'PUT',
  where: 'object',
  markers: ['acl'],
  async handle(call) {
    const rules = await rulesOfCall(call)
    if (rules.ownership === 'BucketOwnerEnforced') throw listsOff()
    const asked = await readAskedAcl(call)
    const objects = await openBucket(call)
    const target = targetOf(call)
    const change = (properties: ObjectProperties): ObjectProperties => {
      const { acl: _, ...rest } = properties
      const acl: Acl | undefined = aclToKeep(asked, rules, objectFacts(properties, rules).owner)
      return acl === undefined ? rest : { ...rest, acl }
    }
    const found = await objects.change(target.key, { caller: call.caller, versionId: target.versionId, change })
    if (found === undefined || 'marker' in found) throw missing(target, found)
    call.sendEmpty(200, isVersioned(objects) ? ['x-amz-version-id', found.object.versionId] : [])
  },
}

async function rulesOfCall(call: S3Call) {
  const { volumes, objectOwnership } = call.services
  return rulesOf(await volumes.openBucket(call.bucket), objectOwnership)
}
