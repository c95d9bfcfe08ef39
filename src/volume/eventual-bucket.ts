// What S3 knows of an eventual volume as a bucket: it is kept with the volume's definition, and spreads as that does.

import { TAG_BYTES_MAX } from '#eventual/entry.ts'
import type { EventualVolumeInfo } from '#eventual/volumes.ts'
import { ShoalError } from '#foundation/errors.ts'
import { type BucketSettings, NO_SETTINGS, tryDecodeSettings } from '#metadata/bucket-settings.ts'

type Tags = EventualVolumeInfo['tags']

const SETTINGS_TAG = 's'
const OWNER_TAG = 'w'
/** Of definitions that say nothing of an owner. */
const DEFAULT_OWNER = 'root'
const SETTINGS_BYTES_MAX = TAG_BYTES_MAX - 1024
/** What an eventual volume can't keep to: each node would have to know what the others do. */
const REFUSED = { encryption: 'Encryption', lifecycle: 'Lifecycle rules', objectLock: 'Object lock' } as const

export function ownerOf({ tags }: Pick<EventualVolumeInfo, 'tags'>): string {
  return tags.get(OWNER_TAG)?.toString('utf8') ?? DEFAULT_OWNER
}

export function ownedBy(principal: string): Tags {
  return new Map([[OWNER_TAG, Buffer.from(principal, 'utf8')]])
}

export function settingsOf({ tags }: Pick<EventualVolumeInfo, 'tags'>): BucketSettings {
  const row = tags.get(SETTINGS_TAG)
  return row === undefined ? NO_SETTINGS : (tryDecodeSettings(row) ?? NO_SETTINGS)
}

/** @throws UNSUPPORTED, TOO_LARGE */
export function withSettings(tags: Tags, settings: BucketSettings): Tags {
  for (const [field, what] of Object.entries(REFUSED))
    if (settings[field as keyof typeof REFUSED] !== undefined)
      throw new ShoalError('UNSUPPORTED', `${what}: an eventual volume has no such thing`, { details: { field } })
  const bytes = Buffer.from(JSON.stringify(settings))
  if (bytes.length > SETTINGS_BYTES_MAX)
    throw new ShoalError(
      'TOO_LARGE',
      `The settings of an eventual volume as a bucket have ${SETTINGS_BYTES_MAX} bytes at most; these have ${bytes.length}`,
    )
  return new Map([...tags, [SETTINGS_TAG, bytes]])
}
