import { openVolume } from './open-volume.ts'
import { callerOnce, readJson } from './read-request.ts'
import { ShoalError } from '#foundation/errors.ts'
import { BODY_ERRORS, CHANGE_ERRORS, PATH_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { CommitUploadSchema, EntrySchema } from './schemas.ts'
import { uploadId } from './show-upload.ts'
import { sendWritten } from './write-file.ts'

export const commitUpload: Route = {
  operation: 'commitUpload',
  method: 'POST',
  path: '/api/v1/volumes/{volume}/uploads/{id}/commit',
  summary: 'Publishes the parts as the file, in one step',
  isRemembered: true,
  body: { contentType: 'application/json', schema: CommitUploadSchema },
  responses: { 201: { description: 'Created', schema: EntrySchema }, 200: { description: 'Replaced', schema: EntrySchema } },
  errors: [
    ...PATH_ERRORS,
    ...BODY_ERRORS,
    ...CHANGE_ERRORS,
    'UPLOAD_NOT_FOUND',
    'UPLOAD_INCOMPLETE',
    'DIGEST_MISMATCH',
    'PRECONDITION_FAILED',
    'IS_A_DIRECTORY',
    'CORRUPT',
    'CHUNK_MISSING',
  ],
  async handle(exchange, rest) {
    const id = uploadId(exchange)
    const volume = await openVolume(exchange, rest)
    const { size, sha256 } = await readJson(exchange, CommitUploadSchema)
    const caller = callerOnce(exchange)
    const upload = await volume.findUpload(id)
    if (upload === undefined && caller.request?.isRepeat !== true)
      throw new ShoalError('UPLOAD_NOT_FOUND', `There is no upload "${id}": it was committed, aborted, or has expired`)
    const written = await volume.commitUpload(id, {
      caller,
      expected: {
        ...(size === undefined ? {} : { sizeBytes: size }),
        ...(sha256 === undefined ? {} : { sha256: Buffer.from(sha256, 'hex') }),
      },
    })
    sendWritten(exchange, upload?.path ?? written.path ?? [], written)
  },
}
