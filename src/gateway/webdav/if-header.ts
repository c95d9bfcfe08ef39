import { ShoalError } from '#foundation/errors.ts'
import type { StateTerm } from '#volume/locks.ts'
import { parseLockToken } from './lock-token.ts'

/** One list of the header: terms that hold together, of the resource that is tagged, or else of the request's own. */
export interface IfList {
  /** A URI as the header has it; `undefined` without a tag. */
  readonly tag: string | undefined
  readonly terms: readonly StateTerm[]
}

/** What a header of that length is allowed to have is more than any client holds locks at a time. */
const MAX_LISTS = 1_000
const TAG = /\s*<([^<>]*)>/y
const OPEN = /\s*\(/y
const TERM = /\s*(not\b\s*)?(?:<([^<>]*)>|\[((?:W\/)?"[^"]*")\])/iy
const CLOSE = /\s*\)/y
const END = /\s*$/y

/** Reads the If header of RFC 4918, section 10.4: lists in parentheses, all with a tag before them or all without.
 *  @throws INVALID_ARGUMENT */
export function parseIfHeader(text: string): readonly IfList[] {
  const lists: IfList[] = []
  let at = 0
  let tag: string | undefined
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match !== null) at = pattern.lastIndex
    return match ?? undefined
  }
  const isTagged = takesTag(text)
  while (take(END) === undefined) {
    const tagged = take(TAG)
    if (tagged !== undefined) {
      if (!isTagged) throw malformed(text, at)
      tag = tagged[1] as string
    }
    do {
      if (take(OPEN) === undefined) throw malformed(text, at)
      const terms: StateTerm[] = []
      for (let term = take(TERM); term !== undefined; term = take(TERM)) terms.push(termOf(term))
      if (terms.length === 0 || take(CLOSE) === undefined) throw malformed(text, at)
      lists.push({ tag, terms })
      if (lists.length > MAX_LISTS) throw new ShoalError('INVALID_ARGUMENT', `The If header has more than ${MAX_LISTS} lists`)
    } while (startsList(text, at))
  }
  if (lists.length === 0) throw malformed(text, at)
  return lists
}

const takesTag = (text: string): boolean => text.trimStart().startsWith('<')

function startsList(text: string, at: number): boolean {
  OPEN.lastIndex = at
  return OPEN.test(text)
}

function termOf([, not, uri, etag]: RegExpExecArray): StateTerm {
  const isNegated = not !== undefined
  return uri === undefined
    ? { kind: 'etag', value: etag as string, isNegated }
    : { kind: 'token', value: parseLockToken(uri), isNegated }
}

function malformed(text: string, at: number): ShoalError {
  return new ShoalError(
    'INVALID_ARGUMENT',
    `The If header can't be read from "${text.slice(at, at + 40)}" on: expected are lists such as (<token> ["etag"]), each with a tag before it or none`,
  )
}
