import { parseIpRange } from './ip-range.ts'
import type { Patterns, Policy, Statement } from './policy.ts'
import type { Condition, ValuesOf } from './policy-conditions.ts'
import { isEveryone, matchesPrincipals, type Requester } from './policy-principals.ts'

export interface PolicyQuestion {
  readonly who: Requester
  /** Such as `s3:GetObject`. */
  readonly action: string
  /** Such as `arn:aws:s3:::photos/a.jpg`. */
  readonly resource: string
  readonly valuesOf: ValuesOf
}

/** `deny` if any statement denies it, else `allow` if any allows it. Their order means nothing. */
export function evaluatePolicy(policy: Policy, question: PolicyQuestion): 'allow' | 'deny' | 'neither' {
  let isAllowed = false
  for (const statement of policy.statements) {
    if (isAllowed && statement.effect === 'allow') continue
    if (!applies(statement, question)) continue
    if (statement.effect === 'deny') return 'deny'
    isAllowed = true
  }
  return isAllowed ? 'allow' : 'neither'
}

function applies({ principals, actions, resources, conditions }: Statement, question: PolicyQuestion): boolean {
  const { who, action, resource, valuesOf } = question
  return (
    matchesPrincipals(principals, who) &&
    isNamed(actions, action.toLowerCase(), valuesOf) &&
    isNamed(resources, resource, valuesOf) &&
    conditions.every((condition) => condition.holds(valuesOf))
  )
}

function isNamed({ isNot, patterns }: Patterns, subject: string, valuesOf: ValuesOf): boolean {
  const variableOf = (name: string) => {
    const values = valuesOf(name)
    return values?.length === 1 ? values[0] : undefined
  }
  return patterns.some((pattern) => pattern.matches(subject, variableOf)) !== isNot
}

/** Whether it lets in people who nobody has named: Amazon S3 User Guide, "The meaning of 'public'". */
export function isPublicPolicy(policy: Policy): boolean {
  return policy.statements.some(
    ({ effect, principals, conditions }) => effect === 'allow' && isEveryone(principals) && !conditions.some(narrows),
  )
}

/** Keys that say who asks or where from, and that no requester can choose. */
const NARROWING: ReadonlySet<string> = new Set([
  'aws:username',
  'aws:userid',
  'aws:principalarn',
  'aws:principalaccount',
  'aws:sourcearn',
  'aws:sourceaccount',
  'aws:sourceip',
])

/** Holds only for fixed values of such a key. */
function narrows({ operator, key, texts, hasVariables }: Condition): boolean {
  if (!NARROWING.has(key) || hasVariables) return false
  const name = operator.toLowerCase().replace(/^foranyvalue:/, '')
  if (key === 'aws:sourceip') return name === 'ipaddress' && texts.every(isNarrowBlock)
  if (texts.some((text) => /[*?]/.test(text))) return name === 'stringequals'
  return ['stringequals', 'stringequalsignorecase', 'stringlike', 'arnequals', 'arnlike'].includes(name)
}

/** Not wider than S3 calls narrow: /8 of IPv4, /32 of IPv6. */
function isNarrowBlock(text: string): boolean {
  const range = parseIpRange(text)
  return range !== undefined && range.prefixBits >= (range.isIpv4 ? 96 + 8 : 32)
}
