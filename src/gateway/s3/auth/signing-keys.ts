import { createHmac } from 'node:crypto'
import { Hmac } from './hmac.ts'

/** Where and when a signature counts: the middle of a credential. */
export interface Scope {
  /** `20130524`. */
  readonly date: string
  readonly region: string
  readonly service: string
}

export function formatScope({ date, region, service }: Scope): string {
  return `${date}/${region}/${service}/aws4_request`
}

/** What requests of one credential are signed with. */
export interface SigningKey {
  readonly hmac: Hmac
  /** As strings to sign have it. */
  readonly scope: string
}

interface Derived extends SigningKey {
  readonly accessKey: string
  readonly secretKey: string
}

/** Each key signs for a day and a region: enough for thousands of keys of which a part is in use. */
const MAX_KEYS = 4_096

/** The keys that requests are signed with, derived once for a key, date and region. */
export class SigningKeys {
  /** By access key and scope; the oldest goes first. */
  readonly #keys = new Map<string, Derived>()
  /** The same by the very scope, which requests share whose credentials read alike. */
  readonly #lately = new WeakMap<Scope, Derived>()

  get(credentials: { readonly accessKey: string; readonly secretKey: string }, scope: Scope): SigningKey {
    const last = this.#lately.get(scope)
    if (last !== undefined && isOf(credentials, last)) return last
    const key = this.#find(credentials, scope)
    this.#lately.set(scope, key)
    return key
  }

  #find(credentials: { readonly accessKey: string; readonly secretKey: string }, scope: Scope): Derived {
    const { accessKey, secretKey } = credentials
    const text = formatScope(scope)
    const name = `${accessKey}/${text}`
    const known = this.#keys.get(name)
    if (known !== undefined && isOf(credentials, known)) return known
    const key = { accessKey, secretKey, scope: text, hmac: new Hmac(deriveSigningKey(secretKey, scope)) }
    if (this.#keys.size >= MAX_KEYS) this.#keys.delete(this.#keys.keys().next().value as string)
    this.#keys.set(name, key)
    return key
  }
}

/** A key whose secret was changed since signs with the new one. */
function isOf(credentials: { readonly accessKey: string; readonly secretKey: string }, key: Derived): boolean {
  return key.secretKey === credentials.secretKey && key.accessKey === credentials.accessKey
}

export function deriveSigningKey(secretKey: string, { date, region, service }: Scope): Buffer {
  const dateKey = hmac(`AWS4${secretKey}`, date)
  return hmac(hmac(hmac(dateKey, region), service), 'aws4_request')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
