// What a check must know before it looks into the volumes: which there are, and what is on the garbage list.

import type { TenantId, VolumeId } from '#foundation/ids.ts'
import { ROOT_INODE } from '#foundation/ids.ts'
import type { Snapshot } from '#kv/store.ts'
import { type Discarded, discardedKey, type Steps, tryDecodeRecord } from './fsck-check.ts'
import { discardRows, readGarbage } from './garbage.ts'
import {
  contentBytes,
  inodeKey,
  keyAfterPrefix,
  type KeyPrefix,
  kindRange,
  KIND,
  nameOfVolumeNameKey,
  policyKey,
  readGarbageContentKey,
  readU64,
  SYSTEM_PREFIX,
  tenantOfVolumeNameKey,
  VOLUME_COUNTER_KEY,
  volumeNameKey,
  volumePrefix,
  writeU64,
} from './keys.ts'
import { DEFAULT_POLICY } from './policy.ts'
import type { Repair } from './repair.ts'
import { tryDecodeSession } from './uploads.ts'
import { decodeVolume, OLD_OWNER, type VolumeRecord, writeVolume } from './volumes.ts'

export interface Survey {
  /** The prefixes under which there are rows, those of removed volumes too. */
  readonly prefixes: readonly KeyPrefix[]
  /** Volumes to be checked. */
  readonly volumes: readonly { readonly prefix: KeyPrefix; readonly record: VolumeRecord }[]
  readonly discarded: Discarded
}

/** Looks at the rows that name volumes and garbage, and mends them. */
export function* survey(snapshot: Snapshot): Steps<Survey> {
  const rows = yield* findDiscarded(snapshot)
  const prefixes = yield* findPrefixes(snapshot)
  const notOwning = new Set<string>()
  for (const [what, key] of rows) if (!readGarbage(key, snapshot.get(key) as Buffer).ownsChunks) notOwning.add(what)
  for (const prefix of prefixes) {
    for (const { value } of snapshot.range(kindRange(prefix, KIND.upload))) {
      yield undefined
      const content = tryDecodeSession(value)?.committing?.content
      if (content !== undefined) notOwning.add(discardedKey(prefix, contentBytes(content)))
    }
  }
  const names = yield* readNames(snapshot, prefixes)
  const volumes: { prefix: KeyPrefix; record: VolumeRecord }[] = []
  for (const prefix of prefixes) {
    const record = yield* checkVolume(snapshot, prefix, { names, discarded: rows })
    if (record !== undefined) volumes.push({ prefix, record })
  }
  yield* checkVolumeCounter(snapshot, prefixes)
  return { prefixes, volumes, discarded: { rows, notOwning } }
}

function* findDiscarded(snapshot: Snapshot): Steps<Map<string, Buffer>> {
  const rows = new Map<string, Buffer>()
  for (const { key } of snapshot.range(kindRange(SYSTEM_PREFIX, KIND.garbageContent))) {
    yield undefined
    const whatBytes = key.length - 25
    if (whatBytes === 0 || whatBytes === 8 || whatBytes === 16) {
      const { prefix, what } = readGarbageContentKey(key)
      rows.set(discardedKey(prefix, what), key)
      continue
    }
    yield {
      problem: 'garbage-row-unreadable',
      where: `key ${key.toString('hex')}`,
      detail: `a row of the garbage list has a key of ${key.length} bytes; it is removed`,
      mend: ({ tx }) => tx.delete(key),
    }
  }
  return rows
}

/** Skips from volume to volume. */
function* findPrefixes(snapshot: Snapshot): Steps<KeyPrefix[]> {
  const prefixes: KeyPrefix[] = []
  for (let start = keyAfterPrefix(SYSTEM_PREFIX); ;) {
    const [row] = snapshot.range({ start, limit: 1 })
    if (row === undefined) return prefixes
    yield undefined
    const prefix = Buffer.from(row.key.subarray(0, 8))
    prefixes.push(prefix)
    start = keyAfterPrefix(prefix)
  }
}

/** The names of volumes, by prefix. */
function* readNames(snapshot: Snapshot, prefixes: readonly KeyPrefix[]): Steps<Map<string, string>> {
  const known = new Set(prefixes.map((prefix) => prefix.toString('hex')))
  const names = new Map<string, string>()
  for (const { key, value } of snapshot.range(kindRange(SYSTEM_PREFIX, KIND.volume))) {
    yield undefined
    const prefix = value.length === 8 ? volumePrefix(tenantOfVolumeNameKey(key), readU64(value, 0) as VolumeId) : undefined
    if (prefix !== undefined && known.has(prefix.toString('hex'))) {
      names.set(prefix.toString('hex'), nameOfVolumeNameKey(key))
      continue
    }
    yield {
      problem: 'volume-name-dangling',
      where: `volume "${nameOfVolumeNameKey(key)}"`,
      detail: "the name leads to a volume that doesn't exist; it is removed",
      mend: ({ tx }) => {
        if (tx.get(key)?.equals(value) === true && (prefix === undefined || tx.get(policyKey(prefix)) === undefined))
          tx.delete(key)
      },
    }
  }
  return names
}

/** The volume at `prefix`, with a record to go on with where its own is lost; `undefined` if it isn't there any more. */
function* checkVolume(
  snapshot: Snapshot,
  prefix: KeyPrefix,
  { names, discarded }: { names: ReadonlyMap<string, string>; discarded: ReadonlyMap<string, Buffer> },
): Steps<VolumeRecord | undefined> {
  const id = prefix.readUInt32BE(4) as VolumeId
  const row = snapshot.get(policyKey(prefix))
  const name = names.get(prefix.toString('hex'))
  const onList = discarded.get(discardedKey(prefix, Buffer.alloc(0)))
  if (row === undefined && name === undefined) {
    if (onList === undefined) yield strayRows(prefix)
    return undefined
  }
  if (onList !== undefined) {
    yield {
      problem: 'discarded-in-use',
      where: `volume "${name ?? id}"`,
      detail: 'the volume is there and on the garbage list; it is taken off it',
      mend: ({ tx }) => tx.delete(onList),
    }
  }
  const record = tryDecodeVolume(row, prefix)
  if (record === undefined) return yield* missingRecord(snapshot, prefix, name)
  if (name !== record.name) yield missingName(prefix, record)
  return record
}

function tryDecodeVolume(row: Buffer | undefined, prefix: KeyPrefix): VolumeRecord | undefined {
  if (row === undefined) return undefined
  try {
    const record = decodeVolume(row)
    const isRight = volumePrefix(record.tenant, record.id).equals(prefix) && typeof record.name === 'string'
    return isRight && record.policy.chunkSizeBytes > 0 ? record : undefined
  } catch {
    return undefined
  }
}

function strayRows(prefix: KeyPrefix) {
  return {
    problem: 'volume-rows-stray' as const,
    where: `volume ${prefix.readUInt32BE(4)} of tenant ${prefix.readUInt32BE(0)}`,
    detail: 'there are rows of a volume that has neither record nor name; they go onto the garbage list',
    mend: ({ tx, nowMs }: Repair) => {
      if (tx.get(policyKey(prefix)) === undefined) discardRows(tx, { prefix, what: Buffer.alloc(0), nowMs })
    },
  }
}

function* missingRecord(snapshot: Snapshot, prefix: KeyPrefix, name: string | undefined): Steps<VolumeRecord> {
  const tenant = prefix.readUInt32BE(0) as TenantId
  const id = prefix.readUInt32BE(4) as VolumeId
  const root = snapshot.get(inodeKey(prefix, ROOT_INODE))
  const createdNs = (root === undefined ? undefined : tryDecodeRecord(root)?.btimeNs) ?? 0n
  const record = { id, tenant, name: name ?? lostName(id), policy: DEFAULT_POLICY, createdNs, owner: OLD_OWNER }
  yield {
    problem: 'volume-record-missing',
    where: `volume "${record.name}"`,
    detail: "its record is missing or can't be read; it gets one with the default policy",
    mend: ({ tx }) => {
      if (tryDecodeVolume(tx.get(policyKey(prefix)), prefix) !== undefined) return
      writeVolume(tx, record)
      putName(tx, record)
    },
  }
  return record
}

const lostName = (id: VolumeId): string => `lost-volume-${id}`

function missingName(prefix: KeyPrefix, record: VolumeRecord) {
  return {
    problem: 'volume-name-missing' as const,
    where: `volume "${record.name}"`,
    detail: `no name leads to it; it gets its own back, or "${lostName(record.id)}" if another volume has that`,
    mend: ({ tx }: Repair) => {
      const now = tryDecodeVolume(tx.get(policyKey(prefix)), prefix)
      if (now === undefined) return
      const holder = tx.get(volumeNameKey(now.tenant, now.name))
      const isOwn = holder !== undefined && holder.length === 8 && readU64(holder, 0) === now.id
      if (isOwn) return
      const named = holder === undefined ? now : { ...now, name: lostName(now.id) }
      if (named !== now) writeVolume(tx, named)
      putName(tx, named)
    },
  }
}

function putName(tx: Repair['tx'], { tenant, name, id }: VolumeRecord): void {
  const value = Buffer.alloc(8)
  writeU64(value, id, 0)
  tx.put(volumeNameKey(tenant, name), value)
}

function* checkVolumeCounter(snapshot: Snapshot, prefixes: readonly KeyPrefix[]): Steps {
  const largest = prefixes.reduce((most, prefix) => Math.max(most, prefix.readUInt32BE(4)), 0)
  const next = counterOf(snapshot)
  if (next > largest) return
  yield {
    problem: 'volume-counter-low',
    where: 'the counter of volumes',
    detail: `the next volume would get the number ${next}, and ${largest} is in use`,
    mend: ({ tx }) => {
      if (counterOf(tx) > largest) return
      const value = Buffer.alloc(8)
      writeU64(value, largest + 1, 0)
      tx.put(VOLUME_COUNTER_KEY, value)
    },
  }
}

function counterOf(snapshot: Snapshot): number {
  const row = snapshot.get(VOLUME_COUNTER_KEY)
  return row?.length === 8 ? readU64(row, 0) : 1
}
