import type { VolumeId, TenantId } from '#foundation/ids.ts'

export const DEFAULT_CHUNK_BYTES = 8 * 1024 * 1024
export const MIN_CHUNK_BYTES = 1024 * 1024

/** What a volume promises. Every field can be given when a volume is created; all but `consistency` can change later. */
export interface VolumePolicy {
  /** `strong`: linearizable. `eventual`: every node takes every write, and they converge; such volumes are not kept here. */
  readonly consistency: 'strong' | 'eventual'
  /** Name of the replication class: how many copies chunks have, and when a write is acknowledged. That there is one is not checked here. */
  readonly class: string
  /** Length of new chunks: a whole number of MiB, 1 to 64. */
  readonly chunkSizeBytes: number
  /** Most bytes of file contents, `undefined` for no limit. */
  readonly quotaBytes: number | undefined
  /** Most files, directories and other inodes, `undefined` for no limit. */
  readonly quotaFiles: number | undefined
  /** `durable`: acknowledged means on disk. `relaxed` lets a class trade that away; it needs a release that has it. */
  readonly durability: 'durable'
  /** What becomes of a file that is replaced or removed. `enabled`: it stays as a version under its S3 key. `suspended`:
   *  versions stay, and what is written goes without one. `off`: it is gone; there is no way back to it. */
  readonly versioning: Versioning
}

export const VERSIONING = ['off', 'enabled', 'suspended'] as const
export type Versioning = (typeof VERSIONING)[number]

export const DEFAULT_POLICY: VolumePolicy = {
  consistency: 'strong',
  class: 'default',
  chunkSizeBytes: DEFAULT_CHUNK_BYTES,
  quotaBytes: undefined,
  quotaFiles: undefined,
  durability: 'durable',
  versioning: 'off',
}

export interface VolumeUsage {
  /** Sum of the lengths of all files; a file with several hard links counts once, a hole as if it were written. */
  readonly bytes: number
  /** Inodes, the root directory left out. */
  readonly files: number
}

export interface VolumeInfo {
  readonly id: VolumeId
  readonly tenant: TenantId
  readonly name: string
  readonly policy: VolumePolicy
  /** What only eventual volumes promise. */
  readonly eventual?: { readonly onConflict: 'keep' | 'keep-both' | 'cas'; readonly keep: 'class' | 'everywhere' }
  readonly usage: VolumeUsage
  readonly createdNs: bigint
  /** The principal that made it. Through S3, others may do with it what its owner lets them. */
  readonly owner: string
}
