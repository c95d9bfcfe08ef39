// The volumes of a shard: names, policies, and what is needed to find them.

import { ShoalError } from '#foundation/errors.ts'
import { ROOT_INODE, type TenantId, type VolumeId } from '#foundation/ids.ts'
import type { Snapshot, Transaction } from '#kv/store.ts'
import { readSettings } from './bucket-settings.ts'
import { decodeCounters } from './counters.ts'
import { createRoot, isEmptyDirectory } from './entries.ts'
import { discardRows } from './garbage.ts'
import {
  countersKey,
  kindRange,
  KIND,
  nameOfVolumeNameKey,
  policyKey,
  readU64,
  SYSTEM_PREFIX,
  tenantOfVolumeNameKey,
  VOLUME_COUNTER_KEY,
  volumeNameKey,
  volumePrefix,
  writeU64,
} from './keys.ts'
import { scanTree } from './listing.ts'
import { ObjectWalk } from './object-walk.ts'
import { DEFAULT_POLICY, MIN_CHUNK_BYTES, VERSIONING, type VolumeInfo, type VolumePolicy } from './policy.ts'
import { VolumeTransaction, type VolumeView } from './transaction.ts'
import { discardPrepared, listUploads } from './uploads.ts'
import { hasVersions } from './versions.ts'

/** What is stored of a volume. */
export interface VolumeRecord {
  readonly id: VolumeId
  readonly tenant: TenantId
  readonly name: string
  readonly policy: VolumePolicy
  readonly createdNs: bigint
  /** Volumes older than owners are root's. */
  readonly owner: string
}

export const OLD_OWNER = 'root'
const MAX_CHUNK_POLICY_BYTES = 64 * 1024 * 1024
const NAME_PATTERN = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

/** Amazon S3's rules for bucket names, since a volume is a bucket there. @throws INVALID_ARGUMENT */
export function checkVolumeName(name: string): void {
  const isAddress = /^\d+\.\d+\.\d+\.\d+$/.test(name)
  if (NAME_PATTERN.test(name) && !name.includes('..') && !isAddress) return
  throw new ShoalError(
    'INVALID_ARGUMENT',
    `"${name.slice(0, 80)}" can't be the name of a volume: 3 to 63 characters of a-z, 0-9, "-" and ".", a letter or digit first and last, no ".." and no IP address`,
    { details: { field: 'name' } },
  )
}

/** @throws INVALID_ARGUMENT, UNSUPPORTED, naming the field */
export function checkPolicy(policy: VolumePolicy): void {
  if (policy.consistency !== 'strong') throw unsupported('consistency', policy.consistency, '"strong"')
  if (policy.durability !== 'durable') throw unsupported('durability', policy.durability, '"durable"')
  if (!VERSIONING.includes(policy.versioning))
    throw invalid('versioning', policy.versioning, VERSIONING.map((value) => `"${value}"`).join(', '))
  const { chunkSizeBytes } = policy
  const isWholeMiB = Number.isSafeInteger(chunkSizeBytes) && chunkSizeBytes % MIN_CHUNK_BYTES === 0
  if (!isWholeMiB || chunkSizeBytes < MIN_CHUNK_BYTES || chunkSizeBytes > MAX_CHUNK_POLICY_BYTES) {
    throw invalid('chunkSizeBytes', chunkSizeBytes, 'a whole number of MiB from 1 to 64, in bytes')
  }
  for (const field of ['quotaBytes', 'quotaFiles'] as const) {
    const value = policy[field]
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 0))
      throw invalid(field, value, 'a whole number from 0 on, or null for no limit')
  }
}

function invalid(field: string, value: unknown, allowed: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `"${field}" can't be ${JSON.stringify(value)}: allowed is ${allowed}`, {
    details: { field },
  })
}

function unsupported(field: string, value: unknown, allowed: string): ShoalError {
  return new ShoalError('UNSUPPORTED', `"${field}" can't be ${JSON.stringify(value)} on this node: allowed is ${allowed}`, {
    details: { field },
  })
}

/** @throws VOLUME_EXISTS, INVALID_ARGUMENT */
export function createVolume(
  tx: Transaction,
  volume: { tenant: TenantId; name: string; policy: Partial<VolumePolicy>; owner: string },
  nowNs: bigint,
): VolumeRecord {
  const { tenant, name, owner } = volume
  checkVolumeName(name)
  const policy = { ...DEFAULT_POLICY, ...volume.policy }
  checkPolicy(policy)
  if (tx.get(volumeNameKey(tenant, name)) !== undefined) {
    throw new ShoalError('VOLUME_EXISTS', `There is a volume "${name}" already`, { details: { volume: name } })
  }
  const counter = tx.get(VOLUME_COUNTER_KEY)
  const id = (counter === undefined ? 1 : readU64(counter, 0)) as VolumeId
  tx.put(VOLUME_COUNTER_KEY, u64(id + 1))
  tx.put(volumeNameKey(tenant, name), u64(id))
  const record = { id, tenant, name, policy, createdNs: nowNs, owner }
  writeVolume(tx, record)
  createRoot(
    new VolumeTransaction(tx, volumePrefix(tenant, id), {
      volumeName: name,
      policy,
      principal: '',
      nowNs,
      changes: { append() {} },
    }),
  )
  return record
}

export function writeVolume(tx: Transaction, record: VolumeRecord): void {
  const { quotaBytes, quotaFiles } = record.policy
  const stored = {
    ...record,
    createdNs: String(record.createdNs),
    policy: { ...record.policy, quotaBytes: quotaBytes ?? null, quotaFiles: quotaFiles ?? null },
  }
  tx.put(policyKey(volumePrefix(record.tenant, record.id)), Buffer.from(JSON.stringify(stored)))
}

type StoredPolicy = Omit<VolumePolicy, 'quotaBytes' | 'quotaFiles'> & { quotaBytes: number | null; quotaFiles: number | null }

export function decodeVolume(bytes: Buffer): VolumeRecord {
  const stored = JSON.parse(bytes.toString('utf8')) as Omit<VolumeRecord, 'createdNs' | 'policy' | 'owner'> & {
    owner?: string
    createdNs: string
    policy: StoredPolicy
  }
  const { quotaBytes, quotaFiles } = stored.policy
  const policy = {
    ...DEFAULT_POLICY,
    ...stored.policy,
    quotaBytes: quotaBytes ?? undefined,
    quotaFiles: quotaFiles ?? undefined,
  }
  return { ...stored, createdNs: BigInt(stored.createdNs), policy, owner: stored.owner ?? OLD_OWNER }
}

export function findVolume(snapshot: Snapshot, tenant: TenantId, name: string): VolumeRecord | undefined {
  const row = findVolumeRow(snapshot, tenant, name)
  return row === undefined ? undefined : decodeVolume(row)
}

/** The volume's record as stored, for whoever has it decoded already. */
export function findVolumeRow(snapshot: Snapshot, tenant: TenantId, name: string): Buffer | undefined {
  const id = snapshot.get(volumeNameKey(tenant, name))
  if (id === undefined) return undefined
  const row = snapshot.get(policyKey(volumePrefix(tenant, readU64(id, 0) as VolumeId)))
  if (row === undefined) throw new ShoalError('CORRUPT', `The record of volume "${name}" is missing: run "shoal fsck"`)
  return row
}

/** @throws VOLUME_NOT_FOUND */
export function requireVolume(snapshot: Snapshot, tenant: TenantId, name: string): VolumeRecord {
  const record = findVolume(snapshot, tenant, name)
  if (record === undefined) throw volumeNotFound(name)
  return record
}

export function volumeNotFound(name: string): ShoalError {
  return new ShoalError('VOLUME_NOT_FOUND', `There is no volume "${name}"`, { details: { volume: name } })
}

/** All volumes of all tenants, by tenant and name. */
export function* listVolumes(snapshot: Snapshot): Generator<VolumeRecord> {
  for (const { key } of snapshot.range(kindRange(SYSTEM_PREFIX, KIND.volume))) {
    const record = findVolume(snapshot, tenantOfVolumeNameKey(key), nameOfVolumeNameKey(key))
    if (record !== undefined) yield record
  }
}

/** @throws INVALID_ARGUMENT; CONFLICT for versioning that can't be taken back */
export function updateVolume(tx: Transaction, record: VolumeRecord, changes: Partial<VolumePolicy>): VolumeRecord {
  const policy = { ...record.policy, ...changes }
  checkPolicy(policy)
  if (policy.versioning === 'off' && record.policy.versioning !== 'off') {
    throw new ShoalError(
      'CONFLICT',
      `Volume "${record.name}" has had versions: its versioning can be suspended, not taken back`,
      {
        details: { field: 'versioning' },
      },
    )
  }
  const { objectLock } = readSettings(tx, volumePrefix(record.tenant, record.id))
  if (objectLock !== undefined && policy.versioning !== 'enabled') {
    throw new ShoalError(
      'CONFLICT',
      `Volume "${record.name}" has object lock, which needs every version: its versioning can't be suspended`,
      {
        details: { field: 'versioning' },
      },
    )
  }
  const updated = { ...record, policy }
  writeVolume(tx, updated)
  return updated
}

/** Takes the name away at once; the collector removes what the volume holds. Directories don't count in a bucket.
 *  @throws VOLUME_NOT_EMPTY unless `force` */
export function removeVolume(
  tx: Transaction,
  view: VolumeView,
  removal: { record: VolumeRecord; force: boolean; isBucket?: boolean; nowMs: number },
): void {
  const { record, force, isBucket = false, nowMs } = removal
  const isLocked = readSettings(view.snapshot, view.prefix).objectLock !== undefined
  const isEmpty = isEmptyDirectory(view, ROOT_INODE) || (isBucket && holdsDirectoriesAlone(view))
  if ((!force || isLocked) && !(isEmpty && !hasVersions(view))) {
    throw new ShoalError(
      'VOLUME_NOT_EMPTY',
      `Volume "${record.name}" is not empty: remove what is in it first${isLocked ? "; having object lock, it can't be forced" : ', or force the removal'}`,
      { details: { volume: record.name } },
    )
  }
  tx.delete(volumeNameKey(record.tenant, record.name))
  tx.delete(policyKey(view.prefix))
  // What an unfinished commit has prepared owns no chunks: it must be gone before the volume's rows let go of theirs.
  for (const { session } of listUploads(view))
    if (session.committing !== undefined) discardPrepared(tx, view.prefix, { content: session.committing.content, nowMs })
  discardRows(tx, { prefix: view.prefix, what: Buffer.alloc(0), nowMs })
}

/** Looked at before a bucket with something in it counts as one. */
const DIRECTORIES_MAX = 10_000

function holdsDirectoriesAlone(view: VolumeView): boolean {
  const objects = new ObjectWalk(view)
  objects.seek('')
  if (objects.peek() !== undefined) return false
  let lookedAt = 0
  for (const { record } of scanTree(view, ROOT_INODE)) {
    lookedAt += 1
    if (record.type !== 'directory' || lookedAt > DIRECTORIES_MAX) return false
  }
  return true
}

export function describeVolume(snapshot: Snapshot, record: VolumeRecord): VolumeInfo {
  const { files, bytes } = decodeCounters(snapshot.get(countersKey(volumePrefix(record.tenant, record.id))))
  return { ...record, usage: { files, bytes } }
}

function u64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  writeU64(bytes, value, 0)
  return bytes
}
