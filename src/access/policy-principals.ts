import { isObject, PolicyFault, shown, textsOf } from './policy-fault.ts'

/** Who a request comes from, as policies name them. */
export interface Requester {
  /** `undefined` for somebody who has proven nothing. */
  readonly name: string | undefined
  /** Twelve digits: that of the tenant. */
  readonly account: string
  /** 64 hexadecimal digits. */
  readonly canonicalId: string
}

type PrincipalPattern =
  | { readonly kind: 'everyone' }
  | { readonly kind: 'user'; readonly account: string; readonly name: string }
  | { readonly kind: 'account'; readonly account: string }
  | { readonly kind: 'canonical'; readonly id: string }
  /** Services, federated users and roles: nobody who comes here. */
  | { readonly kind: 'nobody' }

export interface Principals {
  readonly isNot: boolean
  readonly patterns: readonly PrincipalPattern[]
}

/** `"*"`, or an object with AWS, CanonicalUser, Service or Federated. */
export function parsePrincipals({ name, isNot, value }: { name: string; isNot: boolean; value: unknown }): Principals {
  if (value === '*') return { isNot, patterns: [{ kind: 'everyone' }] }
  if (!isObject(value) || Object.keys(value).length === 0)
    throw new PolicyFault(`its ${name} is ${shown(value)}; "*" or an object such as {"AWS": …} is expected`)
  const patterns = Object.entries(value).flatMap(([kind, given]) => {
    const texts = textsOf(given, `${name}.${kind.slice(0, 40)}`)
    if (kind === 'AWS') return texts.map(parseAws)
    if (kind === 'CanonicalUser') return texts.map((id) => ({ kind: 'canonical', id }) as const)
    if (kind === 'Service' || kind === 'Federated') return [{ kind: 'nobody' } as const]
    throw new PolicyFault(
      `its ${name} is of the kind "${kind.slice(0, 40)}"; AWS, CanonicalUser, Service or Federated is expected`,
    )
  })
  return { isNot, patterns }
}

function parseAws(text: string): PrincipalPattern {
  if (text === '*') return { kind: 'everyone' }
  if (/^\d{12}$/.test(text)) return { kind: 'account', account: text }
  const [, account = '', what = ''] = /^arn:aws[a-z-]*:(?:iam|sts)::([^:/]*):(.+)$/.exec(text) ?? []
  if (what === 'root') return { kind: 'account', account }
  if (/^user\/[^/*?]+$/.test(what)) return { kind: 'user', account, name: what.slice(5) }
  if (/^(user|role|assumed-role|federated-user)\/[^*?]+$/.test(what)) return { kind: 'nobody' }
  throw new PolicyFault(
    `its principal "${text.slice(0, 200)}" can't be read: "arn:aws:iam::ACCOUNT:user/NAME", "arn:aws:iam::ACCOUNT:root" or "*" is expected`,
  )
}

export function matchesPrincipals({ isNot, patterns }: Principals, who: Requester): boolean {
  return patterns.some((pattern) => matches(pattern, who)) !== isNot
}

function matches(pattern: PrincipalPattern, who: Requester): boolean {
  switch (pattern.kind) {
    case 'everyone':
      return true
    case 'user':
      return pattern.name === who.name && (pattern.account === '' || pattern.account === who.account)
    case 'account':
      return who.name !== undefined && pattern.account === who.account
    case 'canonical':
      return who.name !== undefined && pattern.id === who.canonicalId
    case 'nobody':
      return false
  }
}

export function isEveryone({ isNot, patterns }: Principals): boolean {
  return isNot || patterns.some(({ kind }) => kind === 'everyone')
}
