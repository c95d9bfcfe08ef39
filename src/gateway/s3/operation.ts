import type { IncomingHttpHeaders } from 'node:http'
import type { FindKey, Principal } from '#access/principal.ts'
import type { ShoalError } from '#foundation/errors.ts'
import type { RequestMark } from '#foundation/request-mark.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { XmlElement, XmlLimits } from '#gateway/xml/parse-xml.ts'
import type { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { BucketVolumes, ObjectOwnership } from '#volume/bucket-settings.ts'
import type { ObjectVolumes } from '#volume/objects.ts'
import type { Caller, Volumes } from '#volume/volume.ts'
import type { Wish } from './access/condition-values.ts'
import type { PrincipalNames } from './access/principal-names.ts'
import type { S3Query } from './s3-query.ts'

/** What the operations need of the node. */
export interface S3Services {
  readonly volumes: Volumes & ObjectVolumes & BucketVolumes
  /** What is to be told of a request that has failed, and may have come before; the same where there is none. */
  readonly settleRequest?: (bucket: string, request: RequestMark, error: ShoalError) => Promise<ShoalError>
  readonly findKey: FindKey
  /** Whom access control lists can name. */
  readonly names: PrincipalNames
  /** Of buckets that have no ownership controls of their own. */
  readonly objectOwnership: ObjectOwnership
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: S3Limits
  /** What a bucket's location is said to be; requests may be signed for any. */
  readonly region: string
}

export interface S3Limits {
  readonly maxBodyBytes: number
  /** Bodies that don't fit into `SMALL_BODY_BYTES` received at once. */
  readonly maxConcurrentUploads: number
}

export type S3Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'

/** One operation of S3, in a file named after it, and listed in `operations.ts`. A request belongs to the operation with
 *  its method and place whose markers it has all of; of several, to the one with the most. */
export interface S3Operation {
  /** As the API reference calls it, such as `PutObject`: policies name it so, as `s3:PutObject`. */
  readonly name: string
  readonly method: S3Method
  readonly where: 'service' | 'bucket' | 'object'
  /** Query parameters that select it: `uploads`, or with a value `list-type=2`. */
  readonly markers?: readonly string[]
  /** A header that selects it, in lower case: `x-amz-copy-source`. It counts as one more marker. */
  readonly header?: string
  /** Who may begin it, if not whoever may do the action of its name with its bucket or object. `signed`: everyone with a
   *  key. `anyone`: it asks `call.access` itself about what it touches. */
  readonly admits?: 'signed' | 'anyone'
  /** A change that is done once, however often it is sent: `call.caller` says by what it is known. */
  readonly isRemembered?: true
  handle(call: S3Call): void | Promise<void>
}

/** Says who may do what: `authorize.ts`. The operation itself has been allowed; this is for what it touches beside that. */
export interface S3Access {
  /** @throws AccessDenied; VOLUME_NOT_FOUND */
  require(wish: Wish): Promise<void>
  allows(wish: Wish): Promise<boolean>
  /** What comes along with something that is allowed, such as an object's tags: refused only where a policy denies it.
   *  @throws AccessDenied */
  refuseDenied(wish: Wish): Promise<void>
  /** Whether the bucket belongs to whom a header says, if it is there. @throws AccessDenied; VOLUME_NOT_FOUND */
  checkOwner(bucket: string, header: OwnerHeader): Promise<void>
}

export type OwnerHeader = 'x-amz-expected-bucket-owner' | 'x-amz-source-expected-bucket-owner'

/** A request's contents, freed of S3's own coding (`aws-chunked`) and verified: signatures of chunks and trailers as they
 *  pass, the SHA-256 of a signed payload at its end. What doesn't hold throws from the iteration, before it is done, so
 *  contents that are stored only at its end never are. One consumer, once. Pieces are not copied: don't keep them.
 *  @throws IncompleteBody, XAmzContentSHA256Mismatch, SignatureDoesNotMatch, InvalidChunkSizeError, MalformedTrailerError,
 *  EntityTooLarge; TIMEOUT for a sender that stalls */
export interface S3Payload extends AsyncIterable<Buffer> {
  /** Of the contents themselves, known before; `undefined` for the file of a form only. */
  readonly lengthBytes: number | undefined
  /** The announced SHA-256 of the contents (a signed payload in one piece), which is also verified here. */
  readonly sha256: Buffer | undefined
  /** Trailers announced by x-amz-trailer, in lower case. */
  readonly trailerNames: readonly string[]
  /** The trailers by name in lower case: complete when the iteration is done, and announced ones are all there. */
  readonly trailers: ReadonlyMap<string, string>
  /** As of a `BodyStream`, and verified at the end as what is iterated over is. */
  fill?(target: Uint8Array): Promise<number>
  /** Frees the memory of a piece that is done with. */
  release(piece: Uint8Array): void
  /** Everything in one buffer, verified: for small payloads (`SMALL_BODY_BYTES`). It may be kept. */
  collect(): Promise<Buffer>
}

/** One request, authenticated and allowed, for the operation that it selects. */
export interface S3Call {
  readonly exchange: Exchange
  readonly services: S3Services
  readonly operation: S3Operation
  /** Empty for the service. A name that can't be one has been refused, but a bucket need not exist. */
  readonly bucket: string
  /** As the client meant it, percent-decoded once: any well-formed string of 1 to 1,024 bytes of UTF-8, with `//`, `.`
   *  and `..` as they are. Empty for the service and for buckets. */
  readonly key: string
  readonly query: S3Query
  readonly principal: Principal
  readonly caller: Caller
  readonly access: S3Access
  /** A header sent once; sent more often, the values joined by commas. */
  header(name: string): string | undefined
  /** The payload. Nothing of it is read, nor the client asked to send it (100-continue), before the iteration begins.
   *  Large ones wait for their turn first (SlowDown when it doesn't come).
   *  @throws MissingContentLength, EntityTooLarge (past `maxBytes`, 5 GiB unless given) */
  body(options?: { readonly maxBytes?: number }): S3Payload
  /** The payload as a document, and its Content-MD5 verified if there is one.
   *  @throws MalformedXML if it is none or its outermost element has another name; EntityTooLarge past 1 MiB or `maxBytes` */
  readXml(root: string, limits?: XmlLimits): Promise<XmlElement>
  /** A small payload whole, and its Content-MD5 verified if there is one. @throws EntityTooLarge past `maxBytes` */
  readBytes(maxBytes: number): Promise<Buffer>
  /** The call that an upload by form stands for: as if `principal` had sent its fields as headers. Judged anew.
   *  @throws AccessDenied */
  putAs(put: PutByForm): Promise<S3Call>
  /** Answers. `headers` are names and values in turn; the list is taken over. x-amz-request-id and x-amz-id-2 are added. */
  sendXml(status: number, xml: XmlWriter, headers?: string[]): void
  sendEmpty(status: number, headers?: string[]): void
  sendBytes(status: number, headers: string[], body: Buffer): void
  /** As `Exchange.sendStream`: exactly `lengthBytes`, or the connection is cut. */
  sendStream(
    status: number,
    headers: string[],
    source: { readonly bytes: AsyncIterator<Buffer>; readonly lengthBytes: number },
  ): Promise<void>
}

export interface PutByForm {
  readonly operation: S3Operation
  readonly principal: Principal
  readonly key: string
  readonly headers: IncomingHttpHeaders
}

/** An object to store, whether it comes by PUT or as the file of a form. */
export interface ObjectToStore {
  readonly key: string
  /** Of the PUT; the fields of a form in lower case stand in for them. */
  readonly headers: IncomingHttpHeaders
  readonly payload: S3Payload
}

/** What became of it. */
export interface StoredObject {
  /** With its quotes. */
  readonly etag: string
  /** x-amz-version-id, checksums and what else the answer to a PUT says of it, names and values in turn. */
  readonly headers: readonly string[]
}

/** The namespace of S3's documents. */
export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
