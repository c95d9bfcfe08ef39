import { percentDecode } from '#gateway/http/target.ts'
import type { OpenObject } from '#volume/objects.ts'
import { requireReadableSource } from '../encryption.ts'
import type { S3Call } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { checkSource } from './conditions.ts'
import { openObject } from './find-object.ts'

export interface CopySource {
  readonly bucket: string
  readonly key: string
  readonly versionId: string | undefined
}

/** The header x-amz-copy-source: `bucket/key`, percent-encoded, with or without a slash before. @throws InvalidArgument */
export function readCopySource(call: S3Call): CopySource {
  const header = call.header('x-amz-copy-source') ?? ''
  const question = header.lastIndexOf('?versionId=')
  const path = decode(question < 0 ? header : header.slice(0, question)).replace(/^\//, '')
  const versionId = question < 0 ? undefined : decode(header.slice(question + '?versionId='.length))
  const slash = path.indexOf('/')
  if (slash < 1 || slash === path.length - 1 || versionId === '') throw invalidSource(header)
  return { bucket: path.slice(0, slash), key: path.slice(slash + 1), versionId }
}

function decode(text: string): string {
  try {
    return percentDecode(text)
  } catch {
    throw invalidSource(text)
  }
}

function invalidSource(header: string): S3Error {
  return new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey', {
    elements: { ArgumentName: 'x-amz-copy-source', ArgumentValue: header.slice(0, 80) },
  })
}

/** The source, its conditions judged; whoever gets it closes its file. @throws PreconditionFailed, NoSuchKey, NoSuchVersion,
 *  InvalidRequest for a delete marker, NoSuchBucket, AccessDenied */
export async function openCopySource(call: S3Call, source: CopySource): Promise<OpenObject> {
  const action = source.versionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion'
  await call.access.checkOwner(source.bucket, 'x-amz-source-expected-bucket-owner')
  await call.access.require({ ...source, action })
  const objects = await call.services.volumes.openObjects(source.bucket)
  const open = await openObject(objects, source).catch((error: unknown) => {
    if (error instanceof S3Error && error.s3Code === 'MethodNotAllowed')
      throw new S3Error(
        'InvalidRequest',
        'The source of a copy request may not specifically refer to a delete marker by version id.',
      )
    throw error
  })
  try {
    checkSource(call.exchange.headers, open.object, call.services.clock.nowMs())
    requireReadableSource(call, open)
    return open
  } catch (error) {
    open.file.close()
    throw error
  }
}
