import { FailureTable } from '#platform/failure-table.ts'
import type { Principal } from '#access/principal.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { BodyGate } from '#gateway/http/body-gate.ts'
import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { Addresses } from './address.ts'
import { authenticate } from './auth/authenticate.ts'
import type { Authenticated } from './auth/authenticate.ts'
import { SigningKeys } from './auth/signing-keys.ts'
import { Access, admit } from './authorize.ts'
import { answerPreflight, noteCors } from './cors.ts'
import { OperationTable } from './find-operation.ts'
import type { S3Services } from './operation.ts'
import { OPERATIONS } from './operations.ts'
import { RequestCall, sendEmpty } from './request-call.ts'
import { S3Error } from './s3-error.ts'
import { S3Query } from './s3-query.ts'
import { sendError } from './send-error.ts'

export interface S3DoorOptions extends S3Services {
  /** Names below which buckets are hosts of their own: `photos.s3.example.com`. */
  readonly domains: readonly string[]
}

/** Answers that say that somebody doesn't know a key's secret. */
const GUESSES: ReadonlySet<string> = new Set(['InvalidAccessKeyId', 'SignatureDoesNotMatch'])

/** The S3 interface of docs/s3.md. */
export class S3Door implements Door {
  readonly name = 's3'
  readonly #options: S3DoorOptions
  readonly #operations = new OperationTable(OPERATIONS)
  readonly #addresses: Addresses
  readonly #keys = new SigningKeys()
  readonly #gate: BodyGate
  readonly #failures: FailureTable

  constructor(options: S3DoorOptions) {
    this.#options = options
    this.#addresses = new Addresses(options.domains)
    this.#gate = new BodyGate(options.limits.maxConcurrentUploads)
    this.#failures = new FailureTable(options.clock)
  }

  async handle(exchange: Exchange): Promise<void> {
    let call: RequestCall | undefined
    try {
      const { headers, method } = exchange
      const address = this.#addresses.read(headers.host, exchange.path)
      const query = S3Query.parse(exchange.query)
      if (method === 'OPTIONS' || headers.origin !== undefined) {
        const isAnswered = await this.#crossOrigin(exchange, address.bucket)
        if (isAnswered) return
      }
      const operation = this.#operations.find({ method, where: address.where, query, headers })
      const nowMs = this.#options.clock.nowMs()
      const authenticated = this.#authenticate(exchange, query, nowMs)
      exchange.principal = authenticated.principal.name
      const access = this.#accessOf(exchange, query, { principal: authenticated.principal, nowMs })
      const admitted = admit(access, { operation, bucket: address.bucket, key: address.key })
      if (admitted !== undefined) await admitted
      const services = this.#options
      call = new RequestCall({ exchange, services, operation, address, query, authenticated, access, gate: this.#gate })
      await operation.handle(call)
    } catch (error) {
      throw await this.#toTell(exchange, error, call)
    } finally {
      call?.close()
    }
  }

  /** What the client is told of a failure: of `call`, once there was one. */
  async #toTell(exchange: Exchange, error: unknown, call: RequestCall | undefined): Promise<unknown> {
    let told = error
    if (call !== undefined) {
      const { access, operation, bucket, key, caller, services } = call
      told = await access.hideAbsence(error, operation, { bucket, key })
      const { request } = caller
      const isDone = exchange.response.headersSent || exchange.aborted
      if (request?.isRepeat === true && isShoalError(told) && !isDone)
        told = (await services.settleRequest?.(bucket, request, told)) ?? told
    }
    // Whoever keeps sending wrong signatures waits longer and longer; right ones never wait.
    if (told instanceof S3Error && GUESSES.has(told.s3Code)) await this.#slowDown(exchange.remoteAddress)
    return told
  }

  /** True if the request was a browser's question what a page may do. */
  async #crossOrigin(exchange: Exchange, bucket: string): Promise<boolean> {
    const isPreflight = exchange.method === 'OPTIONS'
    if (bucket === '' && !isPreflight) return false
    try {
      const { settings } = await this.#options.volumes.openBucket(bucket)
      if (!isPreflight) noteCors(exchange, settings)
      else sendEmpty(exchange, answerPreflight(exchange, settings))
    } catch (error) {
      if (isPreflight || !isShoalError(error, 'VOLUME_NOT_FOUND')) throw error
    }
    return isPreflight
  }

  #accessOf(
    exchange: Exchange,
    query: S3Query,
    { principal, nowMs }: { readonly principal: Principal; readonly nowMs: number },
  ): Access {
    const { headers, remoteAddress, connection } = exchange
    return new Access(this.#options, {
      principal,
      remoteAddress,
      isSecure: connection.isSecure,
      nowMs,
      header(name) {
        const value = headers[name]
        return Array.isArray(value) ? value.join(',') : value
      },
      query: (name) => query.get(name),
    })
  }

  remembers({ method, path, query, headers }: Exchange): boolean {
    try {
      const { where } = this.#addresses.read(headers.host, path)
      return this.#operations.find({ method, where, query: S3Query.parse(query), headers }).isRemembered === true
    } catch {
      // Whoever serves it says what is wrong with it.
      return false
    }
  }

  fail(exchange: Exchange, error: ShoalError): void {
    sendError(exchange, error)
  }

  #authenticate(exchange: Exchange, parameters: S3Query, nowMs: number): Authenticated {
    const { method, path, query, headers } = exchange
    const request = { method, path, query, headers, parameters, rawHeaders: exchange.request.rawHeaders }
    return authenticate(request, { find: this.#options.findKey, keys: this.#keys, nowMs })
  }

  async #slowDown(remoteAddress: string): Promise<void> {
    const delayMs = this.#failures.begin(remoteAddress)
    if (delayMs === undefined)
      throw new ShoalError('BUSY', `Too many requests with wrong signatures from ${remoteAddress}: wait a while`)
    try {
      if (delayMs > 0) await this.#options.clock.sleep(delayMs)
    } finally {
      this.#failures.end(remoteAddress)
    }
  }
}
