import type { TenantId, VolumeId } from '#foundation/ids.ts'

/** Which volume, for as long as it exists: a volume made anew under the same name is another. */
export interface VolumeHandle {
  readonly tenant: TenantId
  readonly id: VolumeId
  readonly name: string
}
