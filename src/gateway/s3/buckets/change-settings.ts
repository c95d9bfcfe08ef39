import type { BucketSettings } from '#volume/bucket-settings.ts'
import type { S3Call } from '../operation.ts'

/** Sets something of the bucket, and leaves the rest. */
export function setOfBucket(call: S3Call, settings: Partial<BucketSettings>): Promise<BucketSettings> {
  return call.services.volumes.changeSettings(call.bucket, {
    caller: call.caller,
    change: (before) => ({ ...before, ...settings }),
  })
}

/** Takes something of the bucket back; that it wasn't set is fine. */
export function unsetOfBucket(call: S3Call, key: keyof BucketSettings): Promise<BucketSettings> {
  return call.services.volumes.changeSettings(call.bucket, {
    caller: call.caller,
    change: ({ [key]: _, ...rest }) => rest,
  })
}
