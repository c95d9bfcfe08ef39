import type { ObjectProperties } from '#volume/objects.ts'
import { lockOf } from '../object-lock.ts'
import type { S3Call } from '../operation.ts'
import { readAclHeaders } from './acl-headers.ts'
import { rulesOf } from './bucket-rules.ts'
import { ownershipOf } from './written-acl.ts'

/** What an object gets from its writer and its bucket, beside what its headers say of its contents: whose it is, its access
 *  control list, its lock. `headers` are the request's, or a form's fields in their place.
 *  @throws AccessControlListNotSupported, AccessDenied, InvalidRequest, InvalidArgument */
export async function writtenProperties(
  call: S3Call,
  headers: Readonly<Record<string, string | string[] | undefined>> = call.exchange.headers,
): Promise<Pick<ObjectProperties, 'owner' | 'acl' | 'retention' | 'legalHold'>> {
  const { volumes, names, objectOwnership, clock } = call.services
  const bucket = await volumes.openBucket(call.bucket)
  const header = (name: string) => {
    const value = headers[name]
    return Array.isArray(value) ? value.join(',') : value
  }
  const asked = readAclHeaders(header, names)
  return {
    ...ownershipOf(asked, rulesOf(bucket, objectOwnership), call.principal.name),
    ...lockOf(header, bucket.settings, clock.nowMs()),
  }
}
