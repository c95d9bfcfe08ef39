import { formatHttpDate } from '#gateway/http/http-date.ts'
import type { BucketSettings } from '#volume/bucket-settings.ts'
import { expirationOf } from '#volume/lifecycle-rules.ts'
import type { ObjectInfo } from '#volume/objects.ts'

/** The header that tells when a current object will expire by the bucket's lifecycle rules; nothing if it won't. */
export function expirationHeaders({ lifecycle }: BucketSettings, object: ObjectInfo): string[] {
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
