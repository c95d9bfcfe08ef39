// Policies of resources in the language of AWS: who may do what to which, under which conditions. The grammar is that of the
// IAM User Guide, "Grammar of the IAM JSON policy language".

import { ShoalError } from '#foundation/errors.ts'
import { type Condition, parseConditions } from './policy-conditions.ts'
import { isObject, PolicyFault, shown, textsOf } from './policy-fault.ts'
import { parsePrincipals, type Principals } from './policy-principals.ts'
import { Wildcard } from './wildcard.ts'

/** Amazon S3's limit for bucket policies. */
export const MAX_POLICY_BYTES = 20 * 1024

export interface Statement {
  readonly effect: 'allow' | 'deny'
  readonly principals: Principals
  /** Matched without regard to case. */
  readonly actions: Patterns
  readonly resources: Patterns
  readonly conditions: readonly Condition[]
}

export interface Patterns {
  readonly isNot: boolean
  readonly patterns: readonly Wildcard[]
}

export interface Policy {
  readonly statements: readonly Statement[]
  /** The keys of conditions that it looks at, in lower case. */
  readonly keys: ReadonlySet<string>
}

/** What a policy may speak of. A word that isn't known is refused: a statement with a slip in it would do nothing, and a
 *  denial that does nothing harms. */
export interface Vocabulary {
  /** Such as `s3:GetObject`. */
  readonly actions: readonly string[]
  isConditionKey(key: string): boolean
  isResource(pattern: string): boolean
}

const VERSIONS: readonly unknown[] = ['2012-10-17', '2008-10-17']
const STATEMENT_KEYS: ReadonlySet<string> = new Set([
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
])

/** @throws INVALID_ARGUMENT that says what is wrong */
export function parsePolicy(text: string, vocabulary: Vocabulary): Policy {
  if (Buffer.byteLength(text) > MAX_POLICY_BYTES)
    throw malformed(`it has ${Buffer.byteLength(text)} bytes; ${MAX_POLICY_BYTES} are allowed`)
  const document = parseJson(text)
  for (const key of Object.keys(document))
    if (key !== 'Version' && key !== 'Id' && key !== 'Statement') throw malformed(`it has an element "${key.slice(0, 80)}"`)
  const version = document['Version'] ?? '2008-10-17'
  if (!VERSIONS.includes(version)) throw malformed(`its Version is ${shown(version)}; "2012-10-17" or "2008-10-17" is expected`)
  const given = document['Statement']
  const list = Array.isArray(given) ? given : given === undefined ? [] : [given]
  if (list.length === 0) throw malformed('it has no Statement')
  const variables = version === '2012-10-17'
  const statements = list.map((statement, at) => {
    try {
      return parseStatement(statement, { vocabulary, variables })
    } catch (error) {
      if (error instanceof PolicyFault) throw malformed(`statement ${at + 1}: ${error.message}`)
      throw error
    }
  })
  return { statements, keys: new Set(statements.flatMap(({ conditions }) => conditions.map(({ key }) => key))) }
}

function malformed(why: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `The policy can't be taken: ${why}`)
}

function parseJson(text: string): Record<string, unknown> {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (cause) {
    throw malformed(`it is not JSON: ${(cause as Error).message.slice(0, 200)}`)
  }
  if (!isObject(document)) throw malformed('it is not a JSON object')
  return document
}

interface Setting {
  readonly vocabulary: Vocabulary
  readonly variables: boolean
}

function parseStatement(given: unknown, { vocabulary, variables }: Setting): Statement {
  if (!isObject(given)) throw new PolicyFault('it is not an object')
  for (const key of Object.keys(given))
    if (!STATEMENT_KEYS.has(key)) throw new PolicyFault(`it has an element "${key.slice(0, 80)}"`)
  if (given['Sid'] !== undefined && typeof given['Sid'] !== 'string') throw new PolicyFault('its Sid is no text')
  const effect = given['Effect'] === 'Allow' ? 'allow' : given['Effect'] === 'Deny' ? 'deny' : undefined
  if (effect === undefined) throw new PolicyFault(`its Effect is ${shown(given['Effect'])}; "Allow" or "Deny" is expected`)
  const principals = parsePrincipals(either(given, 'Principal', 'NotPrincipal'))
  if (principals.isNot && effect === 'allow')
    throw new PolicyFault('NotPrincipal with Allow would let in all the world: use it with Deny')
  const actions = parsePatterns(either(given, 'Action', 'NotAction'), (text) => new Wildcard(text.toLowerCase()))
  for (const pattern of actions.patterns)
    if (!vocabulary.actions.some((action) => pattern.matches(action.toLowerCase())))
      throw new PolicyFault(`it has the action "${pattern.text}", and there is none of that name`)
  const resources = parsePatterns(either(given, 'Resource', 'NotResource'), (text) => new Wildcard(text, { variables }))
  for (const { text } of resources.patterns)
    if (!vocabulary.isResource(text)) throw new PolicyFault(`it has the resource "${text}", which this can't be the policy of`)
  const conditions = parseConditions(given['Condition'], variables)
  for (const { key } of conditions)
    if (!vocabulary.isConditionKey(key)) throw new PolicyFault(`it has the condition key "${key}", which isn't known here`)
  return { effect, principals, actions, resources, conditions }
}

/** One of two elements that exclude each other. */
function either(
  statement: Record<string, unknown>,
  name: string,
  notName: string,
): { name: string; isNot: boolean; value: unknown } {
  const value = statement[name]
  const notValue = statement[notName]
  if (value === undefined && notValue === undefined) throw new PolicyFault(`it has no ${name}`)
  if (value !== undefined && notValue !== undefined) throw new PolicyFault(`it has both ${name} and ${notName}`)
  return value === undefined ? { name: notName, isNot: true, value: notValue } : { name, isNot: false, value }
}

function parsePatterns(
  { name, isNot, value }: { name: string; isNot: boolean; value: unknown },
  make: (text: string) => Wildcard,
): Patterns {
  return { isNot, patterns: textsOf(value, name).map(make) }
}
