import { hash } from 'node:crypto'
import type { Principal } from '#access/principal.ts'
import type { BodyGate } from '#gateway/http/body-gate.ts'
import { SMALL_BODY_BYTES } from '#gateway/http/body-gate.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { sentMarkOf } from '#gateway/http/request-mark.ts'
import { parseXml } from '#gateway/xml/parse-xml.ts'
import type { XmlElement, XmlLimits } from '#gateway/xml/parse-xml.ts'
import type { XmlWriter } from '#gateway/xml/write-xml.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { Caller } from '#volume/volume.ts'
import type { Address } from './address.ts'
import type { Authenticated } from './auth/authenticate.ts'
import { corsHeadersOf } from './cors.ts'
import { admit } from './authorize.ts'
import type { Access } from './authorize.ts'
import type { PutByForm, S3Call, S3Operation, S3Payload, S3Services } from './operation.ts'
import { MAX_PAYLOAD_BYTES, openPayload } from './payload/open-payload.ts'
import { S3Error } from './s3-error.ts'
import type { S3Query } from './s3-query.ts'

const MAX_XML_BYTES = 1024 * 1024

export interface CallParts {
  readonly exchange: Exchange
  readonly services: S3Services
  readonly operation: S3Operation
  readonly address: Address
  readonly query: S3Query
  readonly authenticated: Authenticated
  readonly access: Access
  readonly gate: BodyGate
}

export class RequestCall implements S3Call {
  readonly exchange: Exchange
  readonly services: S3Services
  readonly operation: S3Operation
  readonly bucket: string
  readonly key: string
  readonly query: S3Query
  readonly principal: Principal
  readonly caller: Caller
  readonly access: Access
  readonly #parts: CallParts
  readonly #authenticated: Authenticated
  readonly #gate: BodyGate
  #entered = false

  constructor(parts: CallParts) {
    const { exchange, address, authenticated } = parts
    this.#parts = parts
    this.exchange = exchange
    this.services = parts.services
    this.operation = parts.operation
    this.bucket = address.bucket
    this.key = address.key
    this.query = parts.query
    this.principal = authenticated.principal
    const { name } = authenticated.principal
    const request = parts.operation.isRemembered === true ? sentMarkOf(exchange, name) : undefined
    this.caller = request === undefined ? { principal: name } : { principal: name, request }
    this.access = parts.access
    this.#authenticated = authenticated
    this.#gate = parts.gate
  }

  header(name: string): string | undefined {
    return textOf(this.exchange.headers[name])
  }

  body(options: { readonly maxBytes?: number } = {}): S3Payload {
    const { headers } = this.exchange
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined)
      throw new S3Error('MissingContentLength', 'You must provide the Content-Length HTTP header')
    return this.#open(options)
  }

  #open(options: { readonly maxBytes?: number }): S3Payload {
    const maxBytes = Math.min(options.maxBytes ?? MAX_PAYLOAD_BYTES, this.services.limits.maxBodyBytes)
    return openPayload(this.exchange, this.#authenticated, { maxBytes, enter: (lengthBytes) => this.#enter(lengthBytes) })
  }

  async #enter(lengthBytes: number): Promise<void> {
    if (this.#entered || lengthBytes <= SMALL_BODY_BYTES) return
    await this.#gate.enterInTurn(this.services.clock, this.exchange.signal)
    this.#entered = true
  }

  async readXml(root: string, limits: XmlLimits = {}): Promise<XmlElement> {
    const bytes = await this.readBytes(limits.maxBytes ?? MAX_XML_BYTES)
    const element = parse(bytes, limits)
    if (element.name !== root) {
      throw new S3Error('MalformedXML', `The document is a ${element.name.slice(0, 80)}; a ${root} is expected`)
    }
    return element
  }

  async readBytes(maxBytes: number): Promise<Buffer> {
    const bytes = await this.#open({ maxBytes }).collect()
    this.#checkMd5(bytes)
    return bytes
  }

  #checkMd5(bytes: Buffer): void {
    const header = this.header('content-md5')
    if (header === undefined) return
    const announced = Buffer.from(header, 'base64')
    if (announced.length !== 16 || announced.toString('base64') !== header.trim())
      throw new S3Error('InvalidDigest', 'The Content-MD5 you specified is not valid: 16 bytes in base64 are expected')
    if (!announced.equals(hash('md5', bytes, 'buffer')))
      throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received')
  }

  async putAs({ operation, principal, key, headers }: PutByForm): Promise<S3Call> {
    const header = (name: string) => textOf(headers[name])
    const access = this.access.as({ principal, header })
    const address: Address = { where: 'object', bucket: this.bucket, key }
    await admit(access, { operation, bucket: this.bucket, key })
    this.exchange.principal = principal.name
    return new RequestCall({ ...this.#parts, operation, address, access, authenticated: { ...this.#authenticated, principal } })
  }

  sendXml(status: number, xml: XmlWriter, headers: string[] = []): void {
    headers.push('Content-Type', 'application/xml')
    this.#send(status, headers, xml.finish())
  }

  sendEmpty(status: number, headers: string[] = []): void {
    this.#send(status, headers)
  }

  sendBytes(status: number, headers: string[], body: Buffer): void {
    this.#send(status, headers, body)
  }

  sendStream(
    status: number,
    headers: string[],
    source: { readonly bytes: AsyncIterator<Buffer>; readonly lengthBytes: number },
  ): Promise<void> {
    addRequestIds(this.exchange, headers)
    return this.exchange.sendStream(status, headers, source)
  }

  /** For the door: the answer is given, or has failed. */
  close(): void {
    if (this.#entered) this.#gate.leave()
    this.#entered = false
  }

  #send(status: number, headers: string[], body?: Buffer | string): void {
    addRequestIds(this.exchange, headers)
    this.exchange.send(status, headers, body)
  }
}

/** The names under which clients of S3 look for, and report, what the node's log calls the request id. */
export function addRequestIds(exchange: Exchange, headers: string[]): void {
  headers.push('x-amz-request-id', exchange.id, 'x-amz-id-2', exchange.id, ...corsHeadersOf(exchange))
}

/** Answers without a body. */
export function sendEmpty(exchange: Exchange, headers: string[]): void {
  addRequestIds(exchange, headers)
  exchange.send(200, headers)
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value
}

function parse(bytes: Buffer, limits: XmlLimits): XmlElement {
  if (bytes.length === 0) throw new S3Error('MissingRequestBodyError', 'Request body is empty: a document is expected')
  try {
    return parseXml(bytes, limits)
  } catch (cause) {
    if (!isShoalError(cause, 'INVALID_ARGUMENT')) throw cause
    throw new S3Error('MalformedXML', cause.message, { cause })
  }
}
