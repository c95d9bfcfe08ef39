import { ShoalError } from '#foundation/errors.ts'
import { decodeState } from './entry-codec.ts'
import { type EntryValue, shownVersion } from './entry.ts'
import type { PruneLimits } from './merge.ts'

/** What becomes of a concurrent write that loses. `keep`: it is listed as a conflict. `keep-both`: it gets a name of its own beside the
 *  winner. `cas`: as `keep`, and a write must name the version that it replaces, and is refused if that isn't the newest known here. */
export const ON_CONFLICT = ['keep', 'keep-both', 'cas'] as const

export interface EventualPolicy {
  readonly onConflict: (typeof ON_CONFLICT)[number]
  /** Name of the replication class of contents. */
  readonly class: string
  /** Every node ends with every file. */
  readonly keepEverywhere: boolean
  readonly chunkSizeBytes: number
  /** How long a losing version is kept, and how many of a path. */
  readonly conflictsKeptMs: number
  readonly conflictsKeptMax: number
}

/** With 30 KiB a version at most, a path has half of a message. */
export const CONFLICTS_KEPT_MAX = 16

export const DEFAULT_EVENTUAL_POLICY: EventualPolicy = {
  onConflict: 'keep',
  class: 'default',
  keepEverywhere: false,
  chunkSizeBytes: 8 * 1024 * 1024,
  conflictsKeptMs: 30 * 86_400_000,
  conflictsKeptMax: 8,
}

const MIB = 1024 * 1024

/** @throws INVALID_ARGUMENT */
export function checkEventualPolicy(policy: EventualPolicy): void {
  const { onConflict, class: name, chunkSizeBytes, conflictsKeptMs, conflictsKeptMax } = policy
  if (!ON_CONFLICT.includes(onConflict)) throw invalid('onConflict', onConflict, `one of ${ON_CONFLICT.join(', ')}`)
  if (!/^[\w.-]{1,64}$/.test(name)) throw invalid('class', name, 'up to 64 letters, digits, ".", "-" and "_"')
  const isWholeMib = chunkSizeBytes % MIB === 0 && chunkSizeBytes >= MIB && chunkSizeBytes <= 64 * MIB
  if (!isWholeMib) throw invalid('chunkSizeBytes', chunkSizeBytes, 'a whole number of MiB, 1 to 64')
  if (!Number.isSafeInteger(conflictsKeptMs) || conflictsKeptMs < 0)
    throw invalid('conflictsKeptMs', conflictsKeptMs, 'a number of milliseconds')
  const isCount = Number.isInteger(conflictsKeptMax) && conflictsKeptMax >= 0 && conflictsKeptMax <= CONFLICTS_KEPT_MAX
  if (!isCount) throw invalid('conflictsKeptMax', conflictsKeptMax, `0 to ${CONFLICTS_KEPT_MAX}`)
}

function invalid(name: string, value: unknown, expected: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `The policy's ${name} "${String(value)}" is not allowed: ${expected} is expected`)
}

export function pruneLimitsOf(policy: EventualPolicy): PruneLimits {
  return { keptMs: policy.conflictsKeptMs, keptMax: policy.conflictsKeptMax }
}

/** A definition is the inline content of an entry, so that it spreads as all entries do. */
export function definitionValue(policy: EventualPolicy, timeNs: bigint, created: bigint = timeNs): EntryValue {
  const bytes = Buffer.from(JSON.stringify(policy), 'utf8')
  return {
    type: 'file',
    sizeBytes: bytes.length,
    sha256: undefined,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeNs: timeNs,
    btimeNs: created,
    tags: new Map(),
    content: { kind: 'inline', bytes },
  }
}

/** What a definition of another release doesn't say is as by default. `undefined` if it can't be read. */
export function policyOf(value: EntryValue): EventualPolicy | undefined {
  if (value.content.kind !== 'inline') return undefined
  try {
    const policy = {
      ...DEFAULT_EVENTUAL_POLICY,
      ...(JSON.parse(value.content.bytes.toString('utf8')) as Partial<EventualPolicy>),
    }
    checkEventualPolicy(policy)
    return policy
  } catch {
    return undefined
  }
}

/** The policy in the row of a definition; for the store's cache of decoded rows. */
export function decodeDefinition(row: Buffer): EventualPolicy | undefined {
  const shown = shownVersion(decodeState(row))
  return shown === undefined ? undefined : policyOf(shown.value)
}
