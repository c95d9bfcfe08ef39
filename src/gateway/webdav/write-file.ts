import { ShoalError } from '#foundation/errors.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import { SMALL_BODY_BYTES } from '#gateway/http/body-gate.ts'
import { type DigestHeaders, readDigests } from '#gateway/http/digest-headers.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { GuardedVolume } from '#volume/locks.ts'
import type { Conditions, WriteOptions, WriteResult } from '#volume/volume.ts'
import { type DavRequest, readGuard } from './dav-request.ts'
import type { EntryTarget } from './dav-target.ts'
import { checkHttpConditions } from './http-conditions.ts'
import { single } from './request-headers.ts'

/** PUT. What can be judged is judged before the body is asked for, and again when the file is published. */
export async function writeFile(request: DavRequest<EntryTarget>): Promise<void> {
  const { exchange, services, target, caller } = request
  const { path } = target
  refusePartialBodies(exchange)
  const sizeBytes = announcedBytes(exchange, services.limits.maxBodyBytes)
  const digests = readDigests(exchange.headers as DigestHeaders)
  const mtimeNs = readMtimeNs(exchange)
  const volume = await services.volumes.open(target.volume)
  const guard = readGuard(request, target.volume)
  const conditions = await checkEarly(request, volume)
  await volume.locks.check([{ kind: 'write', path }], { caller, guard })
  const options: WriteOptions = {
    caller,
    guard,
    ...(conditions === undefined ? {} : { conditions }),
    expected: sizeBytes === undefined ? digests : { sizeBytes, ...digests },
    ...(mtimeNs === undefined ? {} : { attributes: { mtimeNs } }),
  }
  const { attributes, created } = await storeBody(request, volume, options)
  const headers = ['ETag', entityTag(attributes)]
  if (mtimeNs !== undefined) headers.push('X-OC-MTime', 'accepted')
  exchange.send(created ? 201 : 204, headers)
}

async function storeBody(
  { exchange, services, target }: DavRequest<EntryTarget>,
  volume: GuardedVolume,
  options: WriteOptions,
): Promise<WriteResult> {
  const { lengthBytes } = exchange
  if (lengthBytes !== undefined && lengthBytes <= SMALL_BODY_BYTES)
    return volume.writeFile(target.path, await exchange.body().collect(), options)
  await services.uploads.enterInTurn(services.clock, exchange.signal)
  try {
    const body = exchange.body(services.limits.maxBodyBytes)
    return await volume.writeFile(target.path, body, { ...options, signal: exchange.signal })
  } finally {
    services.uploads.leave()
  }
}

/** Conditions, and whether there is a place for the file. @throws PRECONDITION_FAILED, IS_A_DIRECTORY, NOT_FOUND */
async function checkEarly(request: DavRequest<EntryTarget>, volume: GuardedVolume): Promise<Conditions | undefined> {
  const { path, hasSlash } = request.target
  const found = await volume.stat(path, { follow: true })
  if (found?.type === 'directory' || hasSlash)
    throw new ShoalError('IS_A_DIRECTORY', `"/${formatPath(path)}" is the address of a collection: PUT stores files`)
  if (found === undefined) await requireParent(volume, path)
  return checkHttpConditions(request, found)
}

async function requireParent(volume: GuardedVolume, path: Path): Promise<void> {
  const parent = await volume.stat(path.slice(0, -1))
  if (parent?.type === 'directory') return
  throw new ShoalError('NOT_FOUND', `There is no collection "/${formatPath(path.slice(0, -1))}" to store the file in`)
}

/** The length of the body; macOS sends chunks, and says the length in a header of its own.
 *  @throws TOO_LARGE, INVALID_ARGUMENT */
function announcedBytes(exchange: Exchange, maxBytes: number): number | undefined {
  const expected = single(exchange, 'x-expected-entity-length')
  if (expected !== undefined && !/^\d{1,15}$/.test(expected))
    throw new ShoalError('INVALID_ARGUMENT', `X-Expected-Entity-Length "${expected.slice(0, 40)}" is not a number of bytes`)
  const sizeBytes = exchange.lengthBytes ?? (expected === undefined ? undefined : Number(expected))
  if (sizeBytes !== undefined && sizeBytes > maxBytes)
    throw new ShoalError('TOO_LARGE', `The body has ${sizeBytes} bytes; ${maxBytes} are allowed`, { details: { maxBytes } })
  return sizeBytes
}

/** RFC 9110, section 14.5: a PUT with Content-Range must not be taken for the whole. A coded body would come back
 *  without its coding. @throws INVALID_ARGUMENT, UNSUPPORTED */
function refusePartialBodies({ headers }: Exchange): void {
  if (headers['content-range'] !== undefined)
    throw new ShoalError('INVALID_ARGUMENT', 'PUT stores whole files, and Content-Range speaks of a part: send all of it')
  const coding = headers['content-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'identity')
    throw new ShoalError(
      'UNSUPPORTED',
      `Content-Encoding "${coding.slice(0, 40)}" is not kept with a file: send the bytes without it`,
    )
}

/** The time that ownCloud's clients, rclone among them, send with a file: seconds since 1970. @throws INVALID_ARGUMENT */
function readMtimeNs(exchange: Exchange): bigint | undefined {
  const text = single(exchange, 'x-oc-mtime')
  if (text === undefined) return undefined
  const match = /^(\d{1,10})(?:\.\d*)?$/.exec(text.trim())
  if (match === null) throw new ShoalError('INVALID_ARGUMENT', `X-OC-Mtime "${text.slice(0, 40)}" is not a time in seconds`)
  return BigInt(match[1] as string) * 1_000_000_000n
}
