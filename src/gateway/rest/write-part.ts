import { ShoalError } from '#foundation/errors.ts'
import { readDigests } from '#gateway/http/digest-headers.ts'
import type { DigestHeaders } from '#gateway/http/digest-headers.ts'
import { partJson } from './entry-json.ts'
import { openVolume } from './open-volume.ts'
import { callerOnce, NO_BODY } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { PartSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'
import { uploadId } from './show-upload.ts'
import { checkLength, refusePartialBodies } from './write-file.ts'

const MAX_PARTS = 10_000

export const writePart: Route = {
  operation: 'writePart',
  method: 'PUT',
  path: '/api/v1/volumes/{volume}/uploads/{id}/parts/{number}',
  summary: 'Stores a part of an upload; sent again it replaces the one before',
  isRemembered: true,
  requestHeaders: ['Content-MD5', 'Repr-Digest', 'Content-Digest', 'X-Content-SHA256'],
  body: { contentType: 'application/octet-stream' },
  responses: { 200: { description: 'Stored', schema: PartSchema } },
  errors: [
    'INVALID_PATH',
    'VOLUME_NOT_FOUND',
    'UPLOAD_NOT_FOUND',
    'DIGEST_MISMATCH',
    'UNSUPPORTED',
    ...BODY_ERRORS,
    ...CHANGE_ERRORS,
  ],
  async handle(exchange, rest) {
    const id = uploadId(exchange)
    const number = partNumber(exchange.parameters[2] ?? '')
    refusePartialBodies(exchange)
    const digests = readDigests(exchange.headers as DigestHeaders)
    checkLength(exchange, rest)
    const volume = await openVolume(exchange, rest)
    const caller = callerOnce(exchange)
    if (caller.request?.isRepeat !== true && (await volume.findUpload(id)) === undefined) {
      throw new ShoalError('UPLOAD_NOT_FOUND', `There is no upload "${id}": it was committed, aborted, or has expired`)
    }
    const { lengthBytes } = exchange
    if (caller.request?.isQuestion === true)
      return sendJson(exchange, 200, partJson(await volume.writePart(id, { number, body: NO_BODY, caller })))
    await rest.uploads.enterInTurn(rest.clock, exchange.signal)
    try {
      const body = exchange.body(rest.limits.maxBodyBytes)
      const expected = lengthBytes === undefined ? digests : { sizeBytes: lengthBytes, ...digests }
      sendJson(exchange, 200, partJson(await volume.writePart(id, { number, body, expected, caller, signal: exchange.signal })))
    } finally {
      rest.uploads.leave()
    }
  },
}

/** @throws INVALID_ARGUMENT */
export function partNumber(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (number < 1 || number > MAX_PARTS) {
    throw new ShoalError('INVALID_ARGUMENT', `"${text.slice(0, 40)}" is not the number of a part: 1 to ${MAX_PARTS} are possible`)
  }
  return number
}
