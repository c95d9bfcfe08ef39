// The condition block of a policy: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Conditions with
// multiple context keys or values".

import { isInRange, parseIp, parseIpRange } from './ip-range.ts'
import { isObject, PolicyFault, shown } from './policy-fault.ts'
import { Wildcard } from './wildcard.ts'

/** The values that a request has for a condition key (in lower case); `undefined` if it hasn't the key. */
export type ValuesOf = (key: string) => readonly string[] | undefined

type VariableOf = (name: string) => string | undefined
type Test = (value: string, variableOf: VariableOf) => boolean

export interface Condition {
  readonly operator: string
  /** In lower case. */
  readonly key: string
  /** As they were written. */
  readonly texts: readonly string[]
  readonly hasVariables: boolean
  holds(valuesOf: ValuesOf): boolean
}

interface Operator {
  /** Whether a value of the request is what the text in the policy says. @throws PolicyFault */
  readonly test: (text: string, variables: boolean) => Test
  readonly negated?: boolean
}

const equalsText =
  (fold: (text: string) => string) =>
  (text: string, variables: boolean): Test => {
    const exact = new Wildcard(fold(text), { variables, exact: true })
    return (value, variableOf) =>
      exact.matches(fold(value), (name) => {
        const found = variableOf(name)
        return found === undefined ? undefined : fold(found)
      })
  }

const same = (text: string) => text
const lower = (text: string) => text.toLowerCase()

const likeText = (text: string, variables: boolean): Test => {
  const pattern = new Wildcard(text, { variables })
  return (value, variableOf) => pattern.matches(value, variableOf)
}

/** Each of the six parts for itself. */
const likeArn = (text: string, variables: boolean): Test => {
  const patterns = arnParts(text).map((part) => new Wildcard(part, { variables }))
  return (value, variableOf) => {
    const parts = arnParts(value)
    return parts.length === patterns.length && patterns.every((part, at) => part.matches(parts[at] as string, variableOf))
  }
}

function arnParts(text: string): string[] {
  const parts = text.split(':')
  return parts.length <= 6 ? parts : [...parts.slice(0, 5), parts.slice(5).join(':')]
}

const compare =
  (parse: (text: string) => number | undefined, what: string, holds: (value: number, limit: number) => boolean) =>
  (text: string): Test => {
    const limit = parse(text)
    if (limit === undefined) throw new PolicyFault(`its condition has ${shown(text)} where ${what} is expected`)
    return (value) => {
      const given = parse(value)
      return given !== undefined && holds(given, limit)
    }
  }

function parseNumber(text: string): number | undefined {
  return /^[+-]?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined
}

/** ISO 8601, or seconds since 1970. */
function parseDate(text: string): number | undefined {
  if (/^\d{1,12}(\.\d+)?$/.test(text)) return Number(text) * 1000
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/.test(text)) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}

const isBoolean = (text: string): Test => {
  const wanted = text.toLowerCase()
  if (wanted !== 'true' && wanted !== 'false')
    throw new PolicyFault(`its condition has ${shown(text)} where true or false is expected`)
  return (value) => value.toLowerCase() === wanted
}

const isInBlock = (text: string): Test => {
  const range = parseIpRange(text)
  if (range === undefined)
    throw new PolicyFault(`its condition has ${shown(text)} where an address or a block of them is expected`)
  return (value) => {
    const address = parseIp(value)
    return address !== undefined && isInRange(address, range)
  }
}

const number = (holds: (value: number, limit: number) => boolean) => compare(parseNumber, 'a number', holds)
const date = (holds: (value: number, limit: number) => boolean) => compare(parseDate, 'a date', holds)
const equal = (value: number, limit: number) => value === limit
const less = (value: number, limit: number) => value < limit
const lessOrEqual = (value: number, limit: number) => value <= limit
const greater = (value: number, limit: number) => value > limit
const greaterOrEqual = (value: number, limit: number) => value >= limit

const OPERATORS: Readonly<Record<string, Operator>> = {
  stringequals: { test: equalsText(same) },
  stringnotequals: { test: equalsText(same), negated: true },
  stringequalsignorecase: { test: equalsText(lower) },
  stringnotequalsignorecase: { test: equalsText(lower), negated: true },
  stringlike: { test: likeText },
  stringnotlike: { test: likeText, negated: true },
  numericequals: { test: number(equal) },
  numericnotequals: { test: number(equal), negated: true },
  numericlessthan: { test: number(less) },
  numericlessthanequals: { test: number(lessOrEqual) },
  numericgreaterthan: { test: number(greater) },
  numericgreaterthanequals: { test: number(greaterOrEqual) },
  dateequals: { test: date(equal) },
  datenotequals: { test: date(equal), negated: true },
  datelessthan: { test: date(less) },
  datelessthanequals: { test: date(lessOrEqual) },
  dategreaterthan: { test: date(greater) },
  dategreaterthanequals: { test: date(greaterOrEqual) },
  bool: { test: isBoolean },
  ipaddress: { test: isInBlock },
  notipaddress: { test: isInBlock, negated: true },
  arnequals: { test: likeArn },
  arnlike: { test: likeArn },
  arnnotequals: { test: likeArn, negated: true },
  arnnotlike: { test: likeArn, negated: true },
}

/** All of them have to hold. @throws PolicyFault */
export function parseConditions(block: unknown, variables: boolean): Condition[] {
  if (block === undefined) return []
  if (!isObject(block)) throw new PolicyFault(`its Condition is ${shown(block)}; an object is expected`)
  return Object.entries(block).flatMap(([operator, keys]) => {
    if (!isObject(keys)) throw new PolicyFault(`its Condition.${operator.slice(0, 60)} is ${shown(keys)}; an object is expected`)
    return Object.entries(keys).map(([key, values]) =>
      parseCondition(operator, key.toLowerCase(), { texts: valueTexts(values, operator), variables }),
    )
  })
}

function valueTexts(values: unknown, operator: string): string[] {
  const list: unknown[] = Array.isArray(values) ? values : [values]
  if (list.length === 0) throw new PolicyFault(`its Condition.${operator.slice(0, 60)} has no value`)
  return list.map((value) => {
    if (typeof value === 'string') return value
    if (typeof value === 'number' || typeof value === 'boolean') return String(value)
    throw new PolicyFault(`its Condition.${operator.slice(0, 60)} has the value ${shown(value)}; text is expected`)
  })
}

function parseCondition(
  operator: string,
  key: string,
  { texts, variables }: { texts: readonly string[]; variables: boolean },
): Condition {
  const [, set, bare = '', ifExists] = /^(?:(ForAllValues|ForAnyValue):)?(.*?)(IfExists)?$/i.exec(operator) ?? []
  const about = { operator, key, texts, hasVariables: variables && texts.some((text) => text.includes('${')) }
  if (bare.toLowerCase() === 'null' && set === undefined && ifExists === undefined) {
    const tests = texts.map((text) => isBoolean(text))
    return { ...about, holds: (valuesOf) => tests.some((test) => test(String(valuesOf(key) === undefined), () => undefined)) }
  }
  const known = OPERATORS[bare.toLowerCase()]
  if (known === undefined)
    throw new PolicyFault(`it has the condition operator "${operator.slice(0, 60)}", and there is none of that name`)
  const { test, negated = false } = known
  const tests = texts.map((text) => test(text, variables))
  const quantifier = set?.toLowerCase()
  const holds = (valuesOf: ValuesOf): boolean => {
    const values = valuesOf(key)
    if (values === undefined && ifExists !== undefined) return true
    const variableOf = (name: string) => {
      const found = valuesOf(name)
      return found?.length === 1 ? found[0] : undefined
    }
    const isOneOf = (value: string) => tests.some((holdsFor) => holdsFor(value, variableOf))
    if (quantifier === 'forallvalues') return (values ?? []).every((value) => isOneOf(value) !== negated)
    if (quantifier === 'foranyvalue') return (values ?? []).some((value) => isOneOf(value) !== negated)
    // A key that isn't there is not what a negated operator excludes.
    return (values ?? []).some(isOneOf) !== negated
  }
  return { ...about, holds }
}
