import { S3Error } from '../s3-error.ts'

type Condition =
  | { readonly kind: 'eq' | 'starts-with'; readonly field: string; readonly value: string; readonly text: string }
  | { readonly kind: 'length'; readonly min: number; readonly max: number }

/** What a form's signer allows to be sent. */
export interface PostPolicy {
  readonly expiresMs: number
  readonly conditions: readonly Condition[]
}

/** Bounds of the file's length. */
export interface LengthRange {
  readonly min: number
  readonly max: number
}

/** Fields that need no condition: what the signature is made of, and what can only narrow what is accepted. */
const FREE = /^(?:policy|file|signature|awsaccesskeyid|x-amz-signature|x-ignore-.*|x-amz-checksum-.*)$/

/** Reads the field `policy`, the base64 form of a JSON document. @throws InvalidPolicyDocument */
export function parsePostPolicy(base64: string): PostPolicy {
  const document = parseDocument(base64)
  const { expiration, conditions } = document
  if (typeof expiration !== 'string') throw invalid('"expiration" is missing')
  const match = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/.test(expiration)
  const expiresMs = match ? Date.parse(expiration) : Number.NaN
  if (Number.isNaN(expiresMs))
    throw invalid(`"expiration" is "${expiration.slice(0, 40)}": a time like 2026-12-01T12:00:00Z is expected`)
  if (!Array.isArray(conditions)) throw invalid('"conditions" is missing')
  return { expiresMs, conditions: conditions.flatMap(parseCondition) }
}

function parseDocument(base64: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64, 'base64').toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    throw invalid('it is not the base64 form of JSON')
  }
  throw invalid('it is not an object')
}

function parseCondition(value: unknown): Condition[] {
  const text = JSON.stringify(value).slice(0, 200)
  if (Array.isArray(value)) return [parseList(value, text)]
  if (typeof value !== 'object' || value === null) throw invalid(`${text} is no condition`)
  const entries = Object.entries(value)
  if (entries.length === 0) throw invalid('a condition is empty')
  return entries.map(([field, expected]) => {
    if (typeof expected !== 'string') throw invalid(`the value in ${text} is not a string`)
    return { kind: 'eq', field: field.toLowerCase(), value: expected, text }
  })
}

function parseList(list: readonly unknown[], text: string): Condition {
  const [operator, first, second] = list
  const kind = typeof operator === 'string' ? operator.toLowerCase() : ''
  if (list.length !== 3) throw invalid(`${text} has not three members`)
  if (kind === 'content-length-range') {
    const [min, max] = [lengthOf(first), lengthOf(second)]
    if (min === undefined || max === undefined) throw invalid(`${text} has not two lengths in bytes`)
    return { kind: 'length', min, max }
  }
  if (kind !== 'eq' && kind !== 'starts-with') throw invalid(`${text} has no operator that is known here`)
  if (typeof first !== 'string' || !first.startsWith('$') || typeof second !== 'string')
    throw invalid(`${text} is not like ["eq", "$acl", "private"]`)
  return { kind, field: first.slice(1).toLowerCase(), value: second, text }
}

function lengthOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined
}

/** Holds a form to its policy; answers what the file's length may be. `fields` by name in lower case, the key with the
 *  file's name in it, and `bucket` among them. @throws AccessDenied */
export function checkPostPolicy(policy: PostPolicy, fields: ReadonlyMap<string, string>, nowMs: number): LengthRange | undefined {
  if (nowMs >= policy.expiresMs) throw denied('Policy expired.')
  const covered = new Set<string>()
  let range: LengthRange | undefined
  for (const condition of policy.conditions) {
    if (condition.kind === 'length') {
      range = { min: Math.max(range?.min ?? 0, condition.min), max: Math.min(range?.max ?? Infinity, condition.max) }
      continue
    }
    const { field, value, kind } = condition
    covered.add(field)
    const given = fields.get(field)
    // What begins with nothing may be left out.
    const holds = kind === 'eq' ? given === value : (given ?? '').startsWith(value)
    if (!holds) throw denied(`Policy Condition failed: ${condition.text}`)
  }
  const extra = [...fields.keys()].filter((name) => !covered.has(name) && !FREE.test(name))
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.join(', ').slice(0, 200)}`)
  return range
}

function invalid(why: string): S3Error {
  return new S3Error('InvalidPolicyDocument', `Invalid Policy: ${why}`)
}

function denied(why: string): S3Error {
  return new S3Error('AccessDenied', `Invalid according to Policy: ${why}`)
}
