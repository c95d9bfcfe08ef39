// Retention and legal holds: Amazon S3 User Guide, "Locking objects with Object Lock". What is locked is kept by the metadata,
// whichever door somebody comes through.

import type { BucketSettings, DefaultRetention, RetentionMode } from '#volume/bucket-settings.ts'
import type { ObjectProperties } from '#volume/objects.ts'
import { S3Error } from './s3-error.ts'

export type Lock = Pick<ObjectProperties, 'retention' | 'legalHold'>
export type Retention = NonNullable<ObjectProperties['retention']>

const DAY_MS = 86_400_000

/** The lock of an object that is written: what its headers say, else the bucket's default.
 *  @throws InvalidRequest, InvalidArgument */
export function lockOf(header: (name: string) => string | undefined, { objectLock }: BucketSettings, nowMs: number): Lock {
  const mode = header('x-amz-object-lock-mode')
  const until = header('x-amz-object-lock-retain-until-date')
  const hold = header('x-amz-object-lock-legal-hold')
  const isAsked = mode !== undefined || until !== undefined || hold !== undefined
  if (objectLock === undefined) {
    if (isAsked) throw lockMissing()
    return {}
  }
  if ((mode === undefined) !== (until === undefined))
    throw invalid('x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied')
  const retention =
    mode !== undefined && until !== undefined
      ? { mode: requireMode(mode, invalid), untilMs: parseUntil(until, nowMs) }
      : objectLock.retention === undefined
        ? undefined
        : { mode: objectLock.retention.mode, untilMs: defaultUntil(objectLock.retention, nowMs) }
  return {
    ...(retention === undefined ? {} : { retention }),
    ...(hold === undefined ? {} : { legalHold: requireHold(hold, invalid) }),
  }
}

function defaultUntil({ unit, count }: DefaultRetention, nowMs: number): number {
  if (unit === 'days') return nowMs + count * DAY_MS
  const until = new Date(nowMs)
  return until.setUTCFullYear(until.getUTCFullYear() + count)
}

/** A moment in ISO 8601 that is still to come. @throws InvalidArgument */
export function parseUntil(text: string, nowMs: number): number {
  const untilMs = /^\d{4}-\d{2}-\d{2}T/.test(text.trim()) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(untilMs)) throw invalid(`The retain until date "${text.slice(0, 40)}" is not in ISO 8601`)
  if (untilMs <= nowMs) throw invalid('The retain until date must be in the future!')
  return untilMs
}

export function requireMode(text: string, refuse: (why: string) => S3Error): RetentionMode {
  if (text === 'GOVERNANCE' || text === 'COMPLIANCE') return text
  throw refuse(`The retention mode is "${text.slice(0, 40)}"; GOVERNANCE or COMPLIANCE is expected`)
}

export function requireHold(text: string, refuse: (why: string) => S3Error): boolean {
  if (text === 'ON' || text === 'OFF') return text === 'ON'
  throw refuse(`The legal hold is "${text.slice(0, 40)}"; ON or OFF is expected`)
}

function invalid(why: string): S3Error {
  return new S3Error('InvalidArgument', why)
}

export function lockMissing(): S3Error {
  return new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration')
}

/** Whether a retention may take another's place: longer always, shorter or none only for whoever may pass governance by,
 *  and never in compliance mode. @throws AccessDenied */
export function checkRetentionChange(
  before: Retention | undefined,
  after: Retention | undefined,
  { nowMs, bypass }: { readonly nowMs: number; readonly bypass: boolean },
): void {
  if (before === undefined || before.untilMs <= nowMs) return
  const isLonger = after !== undefined && after.untilMs >= before.untilMs
  if (isLonger && (after.mode === before.mode || before.mode === 'GOVERNANCE')) {
    // What is under governance can be brought under compliance only by whoever could lift it.
    if (after.mode === before.mode || bypass) return
  } else if (before.mode === 'GOVERNANCE' && bypass) return
  throw new S3Error('AccessDenied', 'Access Denied because object protected by object lock.')
}
