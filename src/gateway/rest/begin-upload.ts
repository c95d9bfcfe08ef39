import { ShoalError } from '#foundation/errors.ts'
import { formatPath, parsePath } from '#foundation/path.ts'
import { readConditions } from '#gateway/http/conditional.ts'
import { attributeChanges } from './entry-operations.ts'
import { uploadJson } from './entry-json.ts'
import { openVolume } from './open-volume.ts'
import { callerOnce, readJson, volumeConditions } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS, PATH_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { BeginUploadSchema, UploadSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const beginUpload: Route = {
  operation: 'beginUpload',
  method: 'POST',
  path: '/api/v1/volumes/{volume}/uploads',
  summary: 'Begins an upload that can be resumed',
  isRemembered: true,
  body: { contentType: 'application/json', schema: BeginUploadSchema, required: true },
  responses: { 201: { description: 'Begun', schema: UploadSchema } },
  errors: [...PATH_ERRORS, ...BODY_ERRORS, ...CHANGE_ERRORS, 'IS_A_DIRECTORY', 'PRECONDITION_FAILED'],
  async handle(exchange, rest) {
    const volume = await openVolume(exchange, rest)
    const asked = await readJson(exchange, BeginUploadSchema)
    const path = parsePath(asked.path)
    if (path.length === 0)
      throw new ShoalError('IS_A_DIRECTORY', 'The upload needs the path of a file, and "" is the root directory')
    const conditions = readConditions(
      {
        ...(asked.ifMatch === undefined ? {} : { 'if-match': asked.ifMatch }),
        ...(asked.ifNoneMatch === undefined ? {} : { 'if-none-match': asked.ifNoneMatch }),
      },
      rest.clock.nowMs(),
    )
    // The commit judges again; whoever can't succeed should learn it before sending gigabytes.
    if ((await volume.stat(path))?.type === 'directory')
      throw new ShoalError('IS_A_DIRECTORY', `"${formatPath(path)}" is a directory: the upload needs the path of a file`)
    const upload = await volume.beginUpload(path, {
      caller: callerOnce(exchange),
      createParents: asked.parents ?? true,
      attributes: attributeChanges(asked),
      ...(conditions === undefined ? {} : { conditions: volumeConditions(conditions) }),
    })
    // Where a file lies is of use on this machine alone.
    const taking = isLoopback(exchange.remoteAddress) ? rest.handed : undefined
    await taking?.tidy(rest.clock.monotonicMs())
    const handed = taking === undefined ? {} : { handed: taking.folder }
    sendJson(exchange, 201, { ...uploadJson(upload), ...handed })
  },
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}
