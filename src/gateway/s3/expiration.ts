import { formatHttpDate } from '#gateway/http/http-date.ts'
import { expirationOf } from '#volume/lifecycle-rules.ts'
import type { ObjectInfo } from '#volume/objects.ts'
import type { S3Call } from './operation.ts'

/** The header that tells when a current object will expire by the bucket's lifecycle rules; nothing if it won't. */
export async function expirationHeaders(call: S3Call, object: ObjectInfo): Promise<string[]> {
  const { lifecycle } = (await call.services.volumes.openBucket(call.bucket)).settings
  if (lifecycle === undefined || !object.isLatest) return []
  const aging = {
    createdMs: Number(object.modifiedNs / 1_000_000n),
    sizeBytes: object.sizeBytes,
    tags: object.properties.tags ?? [],
  }
  const found = expirationOf(object.key, aging, lifecycle)
  if (found === undefined) return []
  const rule = encodeURIComponent(found.rule)
  return ['x-amz-expiration', `expiry-date="${formatHttpDate(found.timeMs)}", rule-id="${rule}"`]
}
