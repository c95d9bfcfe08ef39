// Which objects lifecycle rules let go: Amazon S3 User Guide, "Managing the lifecycle of objects" and "Lifecycle rules".

import type { LifecycleFilter, LifecycleRule } from '#metadata/bucket-settings.ts'

export const DAY_MS = 86_400_000

/** One version of a key, as rules see it. `Name` is how the caller knows it. */
export interface AgingVersion<Name> {
  readonly name: Name
  /** When it was made; what is behind it has not been current since. */
  readonly createdMs: number
  /** `undefined` for a delete marker. */
  readonly object: AgingObject | undefined
}

export interface AgingObject {
  readonly sizeBytes: number
  readonly tags: readonly (readonly [key: string, value: string])[]
}

/** `expire`: the current version is removed as by its owner, which leaves a delete marker where there are versions.
 *  `remove`: a version or a delete marker is removed for good. */
export type LifecycleAction<Name> = { readonly kind: 'expire' } | { readonly kind: 'remove'; readonly name: Name }

export interface LifecycleTime {
  readonly nowMs: number
  /** How long a day is; shorter ones are for trials, and aren't rounded. */
  readonly dayMs: number
}

/** What is due for a key. `versions` are all of it, newest first; the first is current. What becomes due by these actions
 *  shows when it is asked again. */
export function dueActions<Name>(
  key: string,
  versions: readonly AgingVersion<Name>[],
  rules: readonly LifecycleRule[],
  time: LifecycleTime,
): LifecycleAction<Name>[] {
  const actions: LifecycleAction<Name>[] = []
  const enabled = rules.filter((rule) => rule.isEnabled && key.startsWith(rule.filter.prefix ?? ''))
  if (enabled.length === 0) return actions
  const [current, ...older] = versions
  if (current?.object !== undefined && enabled.some((rule) => isExpired(rule, current, time))) actions.push({ kind: 'expire' })
  let newerMs = current?.createdMs ?? 0
  for (const [index, version] of older.entries()) {
    const rank = { sinceMs: newerMs, newer: index }
    if (enabled.some((rule) => isOutlived(rule, version, { ...rank, ...time })))
      actions.push({ kind: 'remove', name: version.name })
    newerMs = version.createdMs
  }
  const isLoneMarker = current !== undefined && current.object === undefined && older.length === 0
  if (isLoneMarker && enabled.some((rule) => isMarkerDone(rule, current.createdMs, time)))
    actions.push({ kind: 'remove', name: current.name })
  return actions
}

function isExpired<Name>({ filter, expiration }: LifecycleRule, version: AgingVersion<Name>, time: LifecycleTime): boolean {
  if (expiration === undefined || version.object === undefined || !passes(filter, version.object)) return false
  const { days, dateMs } = expiration
  if (dateMs !== undefined) return dateMs <= time.nowMs
  return days !== undefined && isDue(version.createdMs, days, time)
}

function isOutlived<Name>(
  { filter, noncurrent }: LifecycleRule,
  { object }: AgingVersion<Name>,
  rank: LifecycleTime & { readonly sinceMs: number; readonly newer: number },
): boolean {
  if (noncurrent === undefined || rank.newer < (noncurrent.newerToKeep ?? 0)) return false
  const isMeant = object === undefined ? !isOfContents(filter) : passes(filter, object)
  return isMeant && isDue(rank.sinceMs, noncurrent.days, rank)
}

/** A delete marker with nothing behind it hides nothing. */
function isMarkerDone({ filter, expiration }: LifecycleRule, createdMs: number, time: LifecycleTime): boolean {
  if (expiration === undefined || isOfContents(filter)) return false
  const { expiredDeleteMarker, days } = expiration
  return expiredDeleteMarker === true || (days !== undefined && isDue(createdMs, days, time))
}

/** A filter that no delete marker can pass. */
function isOfContents({ tags = [], largerThanBytes, smallerThanBytes }: LifecycleFilter): boolean {
  return tags.length > 0 || largerThanBytes !== undefined || smallerThanBytes !== undefined
}

function passes({ tags = [], largerThanBytes, smallerThanBytes }: LifecycleFilter, object: AgingObject): boolean {
  if (largerThanBytes !== undefined && object.sizeBytes <= largerThanBytes) return false
  if (smallerThanBytes !== undefined && object.sizeBytes >= smallerThanBytes) return false
  return tags.every(([key, value]) => object.tags.some((tag) => tag[0] === key && tag[1] === value))
}

function isDue(sinceMs: number, days: number, { nowMs, dayMs }: LifecycleTime): boolean {
  return (dayMs === DAY_MS ? dueMs(sinceMs, days) : sinceMs + days * dayMs) <= nowMs
}

/** Days are counted to the midnight (UTC) that comes next. */
function dueMs(sinceMs: number, days: number): number {
  return Math.ceil((sinceMs + days * DAY_MS) / DAY_MS) * DAY_MS
}

/** Whether an upload that was begun then is to be aborted. */
export function isAbandoned(key: string, startedMs: number, rules: readonly LifecycleRule[], time: LifecycleTime): boolean {
  return rules.some(
    ({ isEnabled, filter, abortUploadsDays }) =>
      isEnabled &&
      abortUploadsDays !== undefined &&
      key.startsWith(filter.prefix ?? '') &&
      isDue(startedMs, abortUploadsDays, time),
  )
}

/** When the current version of a key will expire, and by which rule: the earliest. */
export function expirationOf(
  key: string,
  object: AgingObject & { readonly createdMs: number },
  rules: readonly LifecycleRule[],
): { readonly timeMs: number; readonly rule: string } | undefined {
  let earliest: { timeMs: number; rule: string } | undefined
  for (const { id, isEnabled, filter, expiration } of rules) {
    if (!isEnabled || expiration === undefined || !key.startsWith(filter.prefix ?? '') || !passes(filter, object)) continue
    const { days, dateMs } = expiration
    const timeMs = dateMs ?? (days === undefined ? undefined : dueMs(object.createdMs, days))
    if (timeMs !== undefined && (earliest === undefined || timeMs < earliest.timeMs)) earliest = { timeMs, rule: id }
  }
  return earliest
}
