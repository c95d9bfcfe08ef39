import type { BucketSettings } from '#metadata/bucket-settings.ts'
import type { VolumeInfo, VolumePolicy } from '#metadata/policy.ts'
import type { Objects } from './objects.ts'
import type { Caller } from './volume.ts'

export type {
  BucketSettings,
  CorsRule,
  DefaultRetention,
  LifecycleFilter,
  LifecycleRule,
  ObjectOwnership,
  PublicAccessBlock,
  RetentionMode,
} from '#metadata/bucket-settings.ts'
export { OBJECT_OWNERSHIP } from '#metadata/bucket-settings.ts'

/** A volume as S3 sees it. The same object for as long as nothing of it changes, so what is computed from it can be kept
 *  with it. */
export interface Bucket {
  /** Its usage is that of some moment past. */
  readonly info: VolumeInfo
  readonly settings: BucketSettings
  /** What is in it. */
  readonly objects: Objects
}

/** The settings of volumes as buckets. */
export interface BucketVolumes {
  /** What is true now; it costs no reading while nothing changes. @throws VOLUME_NOT_FOUND */
  openBucket(name: string): Promise<Bucket>
  /** Makes a volume with its settings in one step. @throws VOLUME_EXISTS, INVALID_ARGUMENT, TOO_LARGE */
  createBucket(
    name: string,
    options: { readonly policy?: Partial<VolumePolicy>; readonly settings: BucketSettings; readonly caller: Caller },
  ): Promise<VolumeInfo>
  /** Changes the settings by what they are, in one durable step; `change` may throw. `policy` changes with them.
   *  @throws VOLUME_NOT_FOUND, TOO_LARGE, CONFLICT */
  changeSettings(
    name: string,
    options: {
      readonly caller: Caller
      readonly change: (settings: BucketSettings, info: VolumeInfo) => BucketSettings
      readonly policy?: Partial<VolumePolicy>
    },
  ): Promise<BucketSettings>
}
