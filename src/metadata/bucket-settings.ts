// What S3 knows of a volume as a bucket, in one row beside its policy: docs/formats/metadata.md.

import { ShoalError } from '#foundation/errors.ts'
import type { Snapshot, Transaction } from '#kv/store.ts'
import { type KeyPrefix, settingsKey } from './keys.ts'

export const OBJECT_OWNERSHIP = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const
/** `BucketOwnerEnforced`: access control lists count for nothing, and the bucket's owner owns every object.
 *  `BucketOwnerPreferred`: an object is the bucket owner's if its writer says so. `ObjectWriter`: it is its writer's. */
export type ObjectOwnership = (typeof OBJECT_OWNERSHIP)[number]

export interface CorsRule {
  readonly id?: string
  readonly origins: readonly string[]
  readonly methods: readonly string[]
  readonly headers: readonly string[]
  readonly exposed: readonly string[]
  readonly maxAgeSeconds?: number
}

export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean
  readonly ignorePublicAcls: boolean
  readonly blockPublicPolicy: boolean
  readonly restrictPublicBuckets: boolean
}

export type RetentionMode = 'GOVERNANCE' | 'COMPLIANCE'

/** Retention of objects that are written without one of their own. */
export interface DefaultRetention {
  readonly mode: RetentionMode
  readonly unit: 'days' | 'years'
  readonly count: number
}

export interface LifecycleFilter {
  readonly prefix?: string
  readonly tags?: readonly (readonly [key: string, value: string])[]
  readonly largerThanBytes?: number
  readonly smallerThanBytes?: number
}

export interface LifecycleRule {
  readonly id: string
  readonly isEnabled: boolean
  /** As it was written: the older form has the prefix in the rule itself. */
  readonly form: 'prefix' | 'filter' | 'and'
  readonly filter: LifecycleFilter
  readonly expiration?: {
    readonly days?: number
    /** Milliseconds since 1970, midnight UTC. */
    readonly dateMs?: number
    readonly expiredDeleteMarker?: boolean
  }
  readonly noncurrent?: { readonly days: number; readonly newerToKeep?: number }
  readonly abortUploadsDays?: number
}

/** Kept as JSON; what is absent was never set, or taken back. */
export interface BucketSettings {
  /** A bucket policy as it came: JSON of at most 20 KiB. */
  readonly policy?: string
  /** Grants as the S3 door reads them; without, the owner has full control. */
  readonly acl?: unknown
  readonly ownership?: ObjectOwnership
  readonly publicAccess?: PublicAccessBlock
  readonly cors?: readonly CorsRule[]
  readonly tags?: readonly (readonly [key: string, value: string])[]
  /** Objects that ask for no encryption of their own get this one. */
  readonly encryption?: { readonly algorithm: 'AES256'; readonly bucketKey?: boolean }
  readonly lifecycle?: readonly LifecycleRule[]
  /** Once there, it stays: the volume's versioning can't be suspended any more. */
  readonly objectLock?: { readonly retention?: DefaultRetention }
}

export const NO_SETTINGS: BucketSettings = {}

/** Room for every part at its own limit: a policy of 20 KiB, 1,000 lifecycle rules, 100 CORS rules. */
export const MAX_SETTINGS_BYTES = 1024 * 1024

/** @throws CORRUPT */
export function readSettings(snapshot: Snapshot, prefix: KeyPrefix): BucketSettings {
  const row = snapshot.get(settingsKey(prefix))
  if (row === undefined) return NO_SETTINGS
  const settings = tryDecodeSettings(row)
  if (settings === undefined) throw new ShoalError('CORRUPT', 'The settings of a bucket can\'t be read: run "shoal fsck"')
  return settings
}

export function tryDecodeSettings(row: Buffer): BucketSettings | undefined {
  try {
    const settings: unknown = JSON.parse(row.toString('utf8'))
    return typeof settings === 'object' && settings !== null && !Array.isArray(settings) ? settings : undefined
  } catch {
    return undefined
  }
}

/** @throws TOO_LARGE */
export function writeSettings(tx: Transaction, prefix: KeyPrefix, settings: BucketSettings): void {
  const text = JSON.stringify(settings)
  if (text === '{}') {
    tx.delete(settingsKey(prefix))
    return
  }
  const bytes = Buffer.from(text)
  if (bytes.length > MAX_SETTINGS_BYTES) {
    throw new ShoalError(
      'TOO_LARGE',
      `The settings of a bucket may have ${MAX_SETTINGS_BYTES} bytes together; these would have ${bytes.length}`,
    )
  }
  tx.put(settingsKey(prefix), bytes)
}
