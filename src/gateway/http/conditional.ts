import { ShoalError } from '#foundation/errors.ts'
import { parseEntityTags, strongMatch, weakMatch } from './entity-tag.ts'
import { parseHttpDate } from './http-date.ts'

/** The conditions of a request, read but not yet judged. Dates are milliseconds since 1970. */
export interface RequestConditions {
  readonly ifMatch: '*' | readonly string[] | undefined
  readonly ifNoneMatch: '*' | readonly string[] | undefined
  readonly ifModifiedSinceMs: number | undefined
  readonly ifUnmodifiedSinceMs: number | undefined
}

/** What the conditions are judged against; a missing target is `undefined`. */
export interface Representation {
  readonly etag: string
  readonly lastModifiedMs: number
}

export type ConditionHeaders = Readonly<
  Partial<Record<'if-match' | 'if-none-match' | 'if-modified-since' | 'if-unmodified-since', string | undefined>>
>

/** Reads the conditional headers; `undefined` if there are none. Dates that are none are ignored, as RFC 9110 wants.
 *  @throws INVALID_ARGUMENT for a list of entity tags that is none: to ignore it could lose somebody's data */
export function readConditions(headers: ConditionHeaders, nowMs: number): RequestConditions | undefined {
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  const ifModifiedSince = headers['if-modified-since']
  const ifUnmodifiedSince = headers['if-unmodified-since']
  if (ifMatch === undefined && ifNoneMatch === undefined && ifModifiedSince === undefined && ifUnmodifiedSince === undefined) {
    return undefined
  }
  return {
    ifMatch: ifMatch === undefined ? undefined : tagsOf('If-Match', ifMatch),
    ifNoneMatch: ifNoneMatch === undefined ? undefined : tagsOf('If-None-Match', ifNoneMatch),
    ifModifiedSinceMs: ifModifiedSince === undefined ? undefined : parseHttpDate(ifModifiedSince, nowMs),
    ifUnmodifiedSinceMs: ifUnmodifiedSince === undefined ? undefined : parseHttpDate(ifUnmodifiedSince, nowMs),
  }
}

function tagsOf(header: string, value: string): '*' | string[] {
  const tags = parseEntityTags(value)
  if (tags === undefined) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `${header} "${value.slice(0, 80)}" is not "*" or a list of entity tags in double quotes`,
    )
  }
  return tags
}

export type Verdict = 'proceed' | 'not-modified' | 'failed'

/** The precedence of RFC 9110, section 13.2.2. `safe`: GET and HEAD, where a match of If-None-Match says "you have it". */
export function judgeConditions(conditions: RequestConditions, target: Representation | undefined, safe: boolean): Verdict {
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions
  const modifiedMs = target === undefined ? undefined : wholeSeconds(target.lastModifiedMs)
  if (ifMatch !== undefined) {
    if (!matchesAny(ifMatch, target, strongMatch)) return 'failed'
  } else if (ifUnmodifiedSinceMs !== undefined && modifiedMs !== undefined && modifiedMs > ifUnmodifiedSinceMs) {
    return 'failed'
  }
  if (ifNoneMatch !== undefined) {
    if (matchesAny(ifNoneMatch, target, weakMatch)) return safe ? 'not-modified' : 'failed'
  } else if (safe && ifModifiedSinceMs !== undefined && modifiedMs !== undefined && modifiedMs <= ifModifiedSinceMs) {
    return 'not-modified'
  }
  return 'proceed'
}

type Comparison = (a: string, b: string) => boolean

function matchesAny(tags: '*' | readonly string[], target: Representation | undefined, matches: Comparison): boolean {
  if (target === undefined) return false
  return tags === '*' || tags.some((tag) => matches(tag, target.etag))
}

/** HTTP's dates have no fractions: a file changed within the second that Last-Modified named counts as unchanged. */
function wholeSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000) * 1000
}

/** If-Range (RFC 9110, section 13.1.5): whether the Range may be honoured. Tags compare strongly; dates exactly. */
export function ifRangeHolds(ifRange: string, target: Representation, nowMs: number): boolean {
  const text = ifRange.trim()
  if (text.startsWith('"') || text.startsWith('W/')) return strongMatch(text, target.etag)
  const timeMs = parseHttpDate(text, nowMs)
  return timeMs !== undefined && timeMs === wholeSeconds(target.lastModifiedMs)
}
