import { createHash, timingSafeEqual } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { Counter, Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import { FailureTable } from '#platform/failure-table.ts'
import type { Credentials, FindKey, Principal } from './principal.ts'

/** Verified Authorization headers kept: with one root key few are in use, but each client may write its own differently. */
const CACHE_ENTRIES = 1024

/** Proves who asks by HTTP Basic (RFC 7617), the access key as the name. */
export class BasicAuthenticator {
  readonly #find: FindKey
  readonly #failures: FailureTable
  readonly #clock: Clock
  readonly #counter: Counter
  /** By the exact header; the oldest goes first. */
  readonly #verified = new Map<string, Principal>()

  /** Failures count together with those of `beside`, if that is given. */
  constructor(
    options: { readonly find: FindKey } & (
      | { readonly clock: Clock; readonly metrics: Metrics }
      | { readonly beside: BasicAuthenticator }
    ),
  ) {
    this.#find = options.find
    if ('beside' in options) {
      const { beside } = options
      this.#clock = beside.#clock
      this.#failures = beside.#failures
      this.#counter = beside.#counter
      return
    }
    this.#clock = options.clock
    this.#failures = new FailureTable(options.clock)
    this.#counter = options.metrics.counter({
      name: 'shoal_authentication_failures_total',
      help: 'Requests with wrong, malformed or missing credentials',
      labels: ['reason'],
    })
  }

  /** The principal that the Authorization header proves, or `undefined`: then answer with what `refuse` throws. */
  verify(header: string | undefined): Principal | undefined {
    if (header === undefined) return undefined
    const known = this.#verified.get(header)
    if (known !== undefined) return known
    const principal = this.#check(header)
    if (principal === undefined) return undefined
    if (this.#verified.size >= CACHE_ENTRIES) this.#verified.delete(this.#verified.keys().next().value as string)
    this.#verified.set(header, principal)
    return principal
  }

  /** Forgets what was verified: call it when keys have changed. */
  forget(): void {
    this.#verified.clear()
  }

  /** Always throws UNAUTHENTICATED; wrong credentials from an address that keeps sending them wait longer and longer
   *  first. Right ones never wait. @throws BUSY when too many of an address' failures are waiting already */
  async refuse(header: string | undefined, remoteAddress: string): Promise<never> {
    const reason = header === undefined ? 'missing' : parseBasic(header) === undefined ? 'malformed' : 'wrong'
    this.#counter.add(1, { reason })
    if (reason !== 'missing') await this.#slowDown(remoteAddress)
    throw new ShoalError('UNAUTHENTICATED', MESSAGES[reason])
  }

  async #slowDown(remoteAddress: string): Promise<void> {
    const delayMs = this.#failures.begin(remoteAddress)
    if (delayMs === undefined)
      throw new ShoalError('BUSY', `Too many attempts with wrong credentials from ${remoteAddress}: wait a while`)
    try {
      if (delayMs > 0) await this.#clock.sleep(delayMs)
    } finally {
      this.#failures.end(remoteAddress)
    }
  }

  #check(header: string): Principal | undefined {
    const given = parseBasic(header)
    if (given === undefined) return undefined
    const expected = this.#find(given.accessKey)
    // Unknown keys take the same path, so that the time says nothing about which half was wrong.
    const same = sameSecret(given.secretKey, expected?.secretKey ?? '')
    return same ? expected?.principal : undefined
  }
}

const MESSAGES = {
  missing: 'This needs credentials: send the access key and its secret by HTTP Basic authentication',
  malformed: 'The Authorization header is not HTTP Basic: "Basic " and the base64 form of "access key:secret key" are expected',
  wrong: 'The access key is unknown, or the secret key is not its own',
} as const

function parseBasic(header: string): Credentials | undefined {
  const match = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header)
  if (match === null) return undefined
  const text = Buffer.from(match[1] as string, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : { accessKey: text.slice(0, colon), secretKey: text.slice(colon + 1) }
}

/** Compares digests: they have one length, and the comparison takes one time. */
function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
}
