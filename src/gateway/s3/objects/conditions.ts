// Conditional headers, for reads, for writes, and for the sources of copies.

import { type ConditionHeaders, judgeConditions, readConditions, type Verdict } from '#gateway/http/conditional.ts'
import type { CheckObject, ObjectInfo } from '#volume/objects.ts'
import { S3Error } from '../s3-error.ts'
import { type Headers, headerText, lastModified } from './object-headers.ts'

/** Clients send tags with and without their quotes. */
const quoted = (tags: string): string =>
  tags.includes('"') || tags.trim() === '*'
    ? tags
    : tags
        .split(',')
        .map((tag) => `"${tag.trim()}"`)
        .join(',')

const unquoted = (tag: string): string => tag.trim().replace(/^"(.*)"$/, '$1')

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const

/** What the conditions of a request say of `object`; `prefix` is that of their headers. */
function judge(headers: Headers, prefix: string, object: ObjectInfo, nowMs: number): Verdict {
  let given: Record<string, string> | undefined
  for (const name of CONDITIONS) {
    const value = headerText(headers, prefix + name)
    if (value === undefined) continue
    given ??= {}
    given[name] = name.endsWith('match') ? quoted(value) : value
  }
  const conditions = given === undefined ? undefined : readConditions(given as ConditionHeaders, nowMs)
  if (conditions === undefined) return 'proceed'
  const target = { etag: `"${object.etag}"`, lastModifiedMs: Number(object.modifiedNs / 1_000_000n) }
  return judgeConditions(conditions, target, true)
}

/** @throws NotModified, PreconditionFailed */
export function checkRead(headers: Headers, object: ObjectInfo, nowMs: number): void {
  const verdict = judge(headers, '', object, nowMs)
  if (verdict === 'failed') throw preconditionFailed('If-Match')
  if (verdict === 'not-modified')
    throw new S3Error('NotModified', 'Not Modified', {
      headers: ['ETag', `"${object.etag}"`, 'Last-Modified', lastModified(object)],
    })
}

/** @throws PreconditionFailed */
export function checkSource(headers: Headers, object: ObjectInfo, nowMs: number): void {
  if (judge(headers, 'x-amz-copy-source-', object, nowMs) !== 'proceed') throw preconditionFailed('x-amz-copy-source-If-Match')
}

/** What a conditional write asks of what is there. */
export function writeCheck(headers: Headers): CheckObject | undefined {
  const ifMatch = headerText(headers, 'if-match')
  const ifNoneMatch = headerText(headers, 'if-none-match')
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined
  return (existing) => {
    if (ifNoneMatch !== undefined && existing !== undefined && matches(ifNoneMatch, existing))
      throw preconditionFailed('If-None-Match')
    if (ifMatch === undefined) return
    if (existing === undefined) throw new S3Error('NoSuchKey', 'The specified key does not exist, but If-Match asks for it')
    if (!matches(ifMatch, existing)) throw preconditionFailed('If-Match')
  }
}

const matches = (tags: string, { etag }: ObjectInfo): boolean =>
  tags.trim() === '*' || tags.split(',').some((tag) => unquoted(tag) === etag)

/** What a conditional removal asks of what is there, of its size and time too. Where there is nothing it is done already. */
export function removeCheck(conditions: {
  readonly etag: string | undefined
  readonly modifiedMs: number | undefined
  readonly sizeBytes: number | undefined
}): CheckObject | undefined {
  const { etag, modifiedMs, sizeBytes } = conditions
  if (etag === undefined && modifiedMs === undefined && sizeBytes === undefined) return undefined
  return (existing) => {
    if (existing === undefined) {
      // A delete marker: it has no contents that a condition could be about.
      if (etag?.trim() === '*') return
      throw preconditionFailed('If-Match')
    }
    if (etag !== undefined && !matches(etag, existing)) throw preconditionFailed('If-Match')
    if (sizeBytes !== undefined && sizeBytes !== existing.sizeBytes) throw preconditionFailed('x-amz-if-match-size')
    const existingMs = Number(existing.modifiedNs / 1_000_000_000n) * 1_000
    if (modifiedMs !== undefined && Math.floor(modifiedMs / 1_000) * 1_000 !== existingMs)
      throw preconditionFailed('x-amz-if-match-last-modified-time')
  }
}

function preconditionFailed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
    elements: { Condition: condition },
  })
}
