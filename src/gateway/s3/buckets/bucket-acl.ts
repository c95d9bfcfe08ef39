import { readAclHeaders } from '../access/acl-headers.ts'
import type { AskedAcl } from '../access/acl-headers.ts'
import { readAclXml, writeAclXml } from '../access/acl-xml.ts'
import type { OwnedAcl } from '../access/acl-xml.ts'
import { rulesOf } from '../access/bucket-rules.ts'
import { keptAcl, listsOff, writtenAcl } from '../access/written-acl.ts'
import type { S3Call, S3Operation } from '../operation.ts'
import { ownerId } from '../owner.ts'
import { S3Error } from '../s3-error.ts'

export const getBucketAcl: S3Operation = {
  name: 'GetBucketAcl',
  method: 'GET',
  where: 'bucket',
  markers: ['acl'],
  async handle(call) {
    const { names, volumes, objectOwnership } = call.services
    const { acl, owner } = rulesOf(await volumes.openBucket(call.bucket), objectOwnership)
    call.sendXml(200, writeAclXml({ ...acl, owner: ownerId(owner) }, names))
  },
}

export const putBucketAcl: S3Operation = {
  name: 'PutBucketAcl',
  method: 'PUT',
  where: 'bucket',
  markers: ['acl'],
  async handle(call) {
    const { volumes, objectOwnership } = call.services
    const asked = await readAskedAcl(call)
    await volumes.changeSettings(call.bucket, {
      caller: call.caller,
      change(settings, info) {
        const rules = rulesOf({ settings, info }, objectOwnership)
        if (rules.ownership === 'BucketOwnerEnforced') throw listsOff()
        const { acl: _, ...rest } = settings
        const acl = aclToKeep(asked, rules, rules.owner)
        return acl === undefined ? rest : { ...rest, acl }
      },
    })
    call.sendEmpty(200)
  },
}

/** What a request to set a list says: by its headers, or by a document. */
export async function readAskedAcl(call: S3Call): Promise<OwnedAcl | NonNullable<AskedAcl>> {
  const asked = readAclHeaders((name) => call.header(name), call.services.names)
  if (asked === undefined) return readAclXml(await call.readXml('AccessControlPolicy'), call.services.names)
  if (call.exchange.lengthBytes !== 0 && (await call.readBytes(1024 * 1024)).length > 0)
    throw new S3Error('InvalidRequest', 'A list is given by headers or by a document, not by both')
  return asked
}

/** @throws AccessDenied for a document that names another owner */
export function aclToKeep(
  asked: OwnedAcl | NonNullable<AskedAcl>,
  rules: Parameters<typeof writtenAcl>[1],
  owner: string,
): ReturnType<typeof writtenAcl> {
  if (!('owner' in asked)) return writtenAcl(asked, rules, owner)
  if (asked.owner !== ownerId(owner)) throw new S3Error('AccessDenied', 'Access Denied: the document names another owner')
  return keptAcl(asked, rules, owner)
}
