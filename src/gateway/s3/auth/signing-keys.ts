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

/** Each key signs for a day and a region: enough for thousands of keys of which a part is in use. */
const MAX_KEYS = 4_096

/** The keys that requests are signed with, derived once for a key, date and region. */
export class SigningKeys {
  /** By access key and scope; the oldest goes first. */
  readonly #keys = new Map<string, { readonly secretKey: string; readonly signingKey: Hmac }>()

  get(credentials: { readonly accessKey: string; readonly secretKey: string }, scope: Scope): Hmac {
    const { accessKey, secretKey } = credentials
    const name = `${accessKey}/${formatScope(scope)}`
    const known = this.#keys.get(name)
    // A key whose secret was changed since signs with the new one.
    if (known !== undefined && known.secretKey === secretKey) return known.signingKey
    const signingKey = new Hmac(deriveSigningKey(secretKey, scope))
    if (this.#keys.size >= MAX_KEYS) this.#keys.delete(this.#keys.keys().next().value as string)
    this.#keys.set(name, { secretKey, signingKey })
    return signingKey
  }
}

export function deriveSigningKey(secretKey: string, { date, region, service }: Scope): Buffer {
  const dateKey = hmac(`AWS4${secretKey}`, date)
  return hmac(hmac(hmac(dateKey, region), service), 'aws4_request')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
