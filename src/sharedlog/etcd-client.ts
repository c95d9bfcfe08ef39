import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { GrpcConnection, GrpcRefusal } from './etcd-grpc.ts'
import type { EtcdTls } from './etcd-grpc.ts'
import {
  decodeLease,
  decodeToken,
  decodeTransaction,
  decodeWatch,
  encodeAuthentication,
  encodeLease,
  encodeLeaseGrant,
  encodeTransaction,
  encodeWatch,
} from './etcd-messages.ts'
import type { EtcdTransaction, EtcdTransactionAnswer, EtcdWatch, EtcdWatchAnswer } from './etcd-messages.ts'

export interface EtcdOptions {
  /** `http://host:port` or `https://…`, of one or more members of one cluster. */
  readonly endpoints: readonly string[]
  /** A function is asked for each new connection. */
  readonly tls?: EtcdTls | (() => EtcdTls)
  readonly user?: { readonly name: string; readonly password: string }
  /** Longest wait for the answer to an append, 3 s by default. What only looks, and what leases need, waits a third of it. */
  readonly callTimeoutMs?: number
  /** Hears of each call whether it was answered. */
  readonly health?: { answered(): void; failed(error: ShoalError): void } | undefined
}

/** A member whose leader has gone keeps silent about what it passed on to it; asked anew after a second, it may have another. */
const CALL_TIMEOUT_MS = 3_000
const SHORT_SHARE = 1 / 3
/** A watch that says nothing for so long ends, and who watches looks anew: the other side may be gone without a word, and then
 *  looking finds another member. With nothing to tell that is some hundred bytes every two seconds. */
const SILENCE_MS = 2_000

/** google.golang.org/grpc/codes */
const GRPC = { notFound: 5, forbidden: 7, unauthenticated: 16 } as const

interface Request {
  readonly method: string
  readonly message: Buffer
  readonly signal: AbortSignal
  readonly silenceMs?: number
  readonly isForLeading?: boolean
}

/** What a log needs of etcd (3.4 or later), asked of one member after another: the next one after each failure. What changes something goes to the
 *  one that leads, if that is known: any other has to send it there, and to wait until it hears what became of it.
 *
 *  Each call @throws UNAVAILABLE: it may have been done; NO_SPACE, TOO_LARGE, NOT_FOUND, UNAUTHENTICATED, FORBIDDEN: it was not. */
export class EtcdClient {
  #members: readonly GrpcConnection[] = []
  readonly #options: EtcdOptions
  #at = 0
  #leading: GrpcConnection | undefined
  #token: Promise<string> | undefined

  constructor(options: EtcdOptions) {
    this.#options = options
    this.useEndpoints(options.endpoints)
  }

  /** Asks these from now on. Calls under way at others fail; the one that was asked last is asked on if it is among them. */
  useEndpoints(endpoints: readonly string[]): void {
    if (endpoints.length === 0) throw new ShoalError('INVALID_ARGUMENT', 'etcd needs at least one endpoint')
    const { tls = {} } = this.#options
    const known = new Map(this.#members.map((member) => [member.endpoint, member]))
    const current = this.#members[this.#at]
    this.#members = endpoints.map((endpoint) => known.get(endpoint) ?? new GrpcConnection(endpoint, tls))
    this.#at = Math.max(
      0,
      this.#members.findIndex((member) => member === current),
    )
    if (this.#leading !== undefined && !this.#members.includes(this.#leading)) this.#leading = undefined
    for (const member of known.values()) if (!this.#members.includes(member)) member.close()
  }

  /** The member that leads; it counts until a call of it fails. One that isn't among the endpoints is not asked. */
  useLeading(endpoint: string | undefined): void {
    this.#leading = this.#members.find((member) => member.endpoint === endpoint)
  }

  async transact(transaction: EtcdTransaction): Promise<EtcdTransactionAnswer> {
    return decodeTransaction(await this.#call('KV/Txn', encodeTransaction(transaction), { timeoutShare: 1, isForLeading: true }))
  }

  /** One that is small, and of no use when it comes late. */
  async transactSoon(transaction: EtcdTransaction): Promise<EtcdTransactionAnswer> {
    return decodeTransaction(await this.#call('KV/Txn', encodeTransaction(transaction)))
  }

  /** A transaction that only looks: it can be asked of several members. */
  async ask(transaction: EtcdTransaction): Promise<EtcdTransactionAnswer> {
    for (let left = this.#members.length; ; left -= 1) {
      try {
        return await this.transactSoon(transaction)
      } catch (error) {
        if (!isShoalError(error, 'UNAVAILABLE') || left <= 1) throw error
      }
    }
  }

  /** What happens, until the member has been silent for a while or `signal` is aborted: then it ends. */
  async *watch(watch: EtcdWatch, signal: AbortSignal): AsyncGenerator<EtcdWatchAnswer, void, undefined> {
    const ended = new AbortController()
    const end = (): void => ended.abort()
    signal.addEventListener('abort', end)
    try {
      if (signal.aborted) return
      const token = await this.#currentToken()
      const request = { method: 'Watch/Watch', message: encodeWatch(watch), signal: ended.signal, silenceMs: SILENCE_MS }
      for await (const message of this.#messages(request, token, this.#memberFor(request))) yield decodeWatch(message)
    } catch (error) {
      if (signal.aborted) return
      if (isShoalError(error, 'UNAUTHENTICATED')) this.#token = undefined
      throw error
    } finally {
      signal.removeEventListener('abort', end)
      end()
    }
  }

  async grantLease(ttlSeconds: number): Promise<{ id: bigint; ttlSeconds: number }> {
    return decodeLease(await this.#call('Lease/LeaseGrant', encodeLeaseGrant(ttlSeconds)))
  }

  async revokeLease(id: bigint): Promise<void> {
    await this.#call('Lease/LeaseRevoke', encodeLease(id))
  }

  /** False when it is gone. */
  async renewLease(id: bigint): Promise<boolean> {
    return decodeLease(await this.#call('Lease/LeaseKeepAlive', encodeLease(id))).ttlSeconds > 0
  }

  close(): void {
    for (const member of this.#members) member.close()
  }

  /** With a name and password it is sent with a token, and once more with a new one if that is no longer known. */
  async #call(method: string, message: Buffer, { timeoutShare = SHORT_SHARE, isForLeading = false } = {}): Promise<Buffer> {
    const token = await this.#currentToken()
    const request = { method, message, isForLeading }
    try {
      return await this.#answer({ ...request, signal: this.#timeout(timeoutShare) }, token)
    } catch (error) {
      if (token === undefined || !isShoalError(error, 'UNAUTHENTICATED')) throw error
      this.#token = undefined
      return this.#answer({ ...request, signal: this.#timeout(timeoutShare) }, await this.#currentToken())
    }
  }

  async #currentToken(): Promise<string | undefined> {
    const { user } = this.#options
    if (user === undefined) return undefined
    const request = { method: 'Auth/Authenticate', message: encodeAuthentication(user), signal: this.#timeout(1) }
    this.#token ??= this.#answer(request, undefined).then(decodeToken)
    try {
      return await this.#token
    } catch (error) {
      this.#token = undefined
      throw error
    }
  }

  #timeout(share: number): AbortSignal {
    return AbortSignal.timeout(Math.ceil((this.#options.callTimeoutMs ?? CALL_TIMEOUT_MS) * share))
  }

  /** The one message of an answer. */
  async #answer(request: Request, token: string | undefined): Promise<Buffer> {
    const member = this.#memberFor(request)
    let answer: Buffer | undefined
    for await (const message of this.#messages(request, token, member)) answer = message
    if (answer === undefined) throw this.#failed('it gave no answer', member)
    return answer
  }

  #memberFor({ isForLeading = false }: Request): GrpcConnection {
    const leading = isForLeading ? this.#leading : undefined
    return leading ?? (this.#members[this.#at] as GrpcConnection)
  }

  async *#messages(
    { method, message, signal, silenceMs }: Request,
    token: string | undefined,
    member: GrpcConnection,
  ): AsyncGenerator<Buffer, void, undefined> {
    const silence = silenceMs === undefined ? {} : { silenceMs }
    const { health } = this.#options
    try {
      for await (const answer of member.call({ method: `etcdserverpb.${method}`, message, signal, token, ...silence })) {
        health?.answered()
        yield answer
      }
    } catch (cause) {
      const error = cause instanceof GrpcRefusal ? this.#refused(cause, member) : this.#failed(cause, member)
      // What this side has called off says nothing.
      if (!signal.aborted || (signal.reason as Error).name === 'TimeoutError') health?.failed(error)
      throw error
    }
  }

  /** The next call goes to the next member, unless another call has found that out already. */
  #failed(cause: unknown, member: GrpcConnection): ShoalError {
    if (this.#leading === member) this.#leading = undefined
    if (this.#members[this.#at] === member) this.#at = (this.#at + 1) % this.#members.length
    return new ShoalError('UNAVAILABLE', `etcd at ${member.endpoint} cannot be reached`, { cause })
  }

  #refused(refusal: GrpcRefusal, member: GrpcConnection): ShoalError {
    const { grpcCode, message } = refusal
    const said = `etcd says: ${message}`
    if (message.includes('database space exceeded')) return new ShoalError('NO_SPACE', said)
    if (message.includes('request is too large')) return new ShoalError('TOO_LARGE', said)
    if (message.includes('authentication failed')) return new ShoalError('UNAUTHENTICATED', said)
    if (grpcCode === GRPC.unauthenticated) return new ShoalError('UNAUTHENTICATED', said)
    if (grpcCode === GRPC.forbidden) return new ShoalError('FORBIDDEN', said)
    if (grpcCode === GRPC.notFound) return new ShoalError('NOT_FOUND', said)
    return this.#failed(refusal, member)
  }
}
