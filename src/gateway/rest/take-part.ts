import { ShoalError } from '#foundation/errors.ts'
import { partJson } from './entry-json.ts'
import { openVolume } from './open-volume.ts'
import { callerOnce, NO_BODY, readJson } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { PartSchema, TakePartSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'
import { uploadId } from './show-upload.ts'
import { partNumber } from './write-part.ts'

export const takePart: Route = {
  operation: 'takePart',
  method: 'POST',
  path: '/api/v1/volumes/{volume}/uploads/{id}/parts/{number}/take',
  summary: 'Stores a part of an upload whose bytes lie in files that were handed over on the same machine',
  isRemembered: true,
  body: { contentType: 'application/json', schema: TakePartSchema, required: true },
  responses: { 200: { description: 'Stored', schema: PartSchema } },
  errors: ['INVALID_PATH', 'VOLUME_NOT_FOUND', 'UPLOAD_NOT_FOUND', 'NOT_FOUND', 'UNSUPPORTED', ...BODY_ERRORS, ...CHANGE_ERRORS],
  async handle(exchange, rest) {
    const id = uploadId(exchange)
    const number = partNumber(exchange.parameters[2] ?? '')
    if (rest.handed === undefined) throw new ShoalError('UNSUPPORTED', 'No files can be handed over to this node: send the bytes')
    const { pieces } = await readJson(exchange, TakePartSchema)
    const body = rest.handed.body(pieces)
    try {
      const { sizeBytes } = body
      const { maxBodyBytes } = rest.limits
      if (sizeBytes > maxBodyBytes)
        throw new ShoalError('TOO_LARGE', `The part has ${sizeBytes} bytes; ${maxBodyBytes} are allowed`, {
          details: { maxBytes: maxBodyBytes },
        })
      const volume = await openVolume(exchange, rest)
      const caller = callerOnce(exchange)
      if (caller.request?.isQuestion === true)
        return sendJson(exchange, 200, partJson(await volume.writePart(id, { number, body: NO_BODY, caller })))
      await rest.uploads.enterInTurn(rest.clock, exchange.signal)
      try {
        const part = { number, body, expected: { sizeBytes }, caller, signal: exchange.signal }
        sendJson(exchange, 200, partJson(await volume.writePart(id, part)))
      } finally {
        rest.uploads.leave()
      }
    } finally {
      await body.close()
    }
  },
}
