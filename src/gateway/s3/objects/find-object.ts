// The object that a request means, or the error that S3 answers with.

import type { FoundObject, ObjectInfo, Objects, OpenObject } from '#volume/objects.ts'
import type { S3Call } from '../operation.ts'
import { S3Error } from '../s3-error.ts'

export interface Target {
  readonly key: string
  readonly versionId: string | undefined
}

export function openBucket(call: S3Call): Promise<Objects> {
  return call.services.volumes.openObjects(call.bucket)
}

/** Whether the answers to reads and removals name versions. */
export const isVersioned = (objects: Objects): boolean => objects.info.policy.versioning !== 'off'

/** Whether the answer to a write names the version that it made: it does where it is one of its own. */
export const namesVersions = (objects: Objects): boolean => objects.info.policy.versioning === 'enabled'

/** The object and version of a request. @throws InvalidArgument for an empty version */
export function targetOf(call: S3Call): Target {
  const versionId = call.query.get('versionId')
  if (versionId === '') throw invalidVersion(versionId)
  return { key: call.key, versionId }
}

function invalidVersion(versionId: string): S3Error {
  return new S3Error('InvalidArgument', 'Invalid version id specified', {
    elements: { ArgumentName: 'versionId', ArgumentValue: versionId.slice(0, 80) },
  })
}

/** @throws NoSuchKey, NoSuchVersion, InvalidArgument, MethodNotAllowed for a delete marker asked for by its id */
export async function openObject(objects: Objects, target: Target): Promise<OpenObject> {
  const found = await objects.open(target.key, target.versionId)
  if (found !== undefined && 'file' in found) return found
  throw missing(target, found)
}

/** As `openObject`, without the contents. */
export async function findObject(objects: Objects, target: Target): Promise<ObjectInfo> {
  const found = await objects.find(target.key, target.versionId)
  if (found !== undefined && 'object' in found) return found.object
  throw missing(target, found)
}

export function missing({ key, versionId }: Target, found: Exclude<FoundObject, { object: ObjectInfo }> | undefined): S3Error {
  const elements = { Key: key }
  if (found !== undefined) {
    const { versionId: markerId, modifiedNs } = found.marker
    const headers = ['x-amz-delete-marker', 'true', 'x-amz-version-id', markerId]
    if (versionId === undefined)
      return new S3Error('NoSuchKey', 'The specified key does not exist: a delete marker says so', { elements, headers })
    headers.push('Last-Modified', new Date(Number(modifiedNs / 1_000_000n)).toUTCString(), 'Allow', 'DELETE')
    return new S3Error('MethodNotAllowed', 'The specified method is not allowed against this resource: it is a delete marker', {
      elements: { Method: 'GET', ResourceType: 'DeleteMarker' },
      headers,
    })
  }
  if (versionId === undefined)
    return new S3Error('NoSuchKey', 'The specified key does not exist.', { elements, headers: ['x-amz-delete-marker', 'false'] })
  if (versionId !== 'null' && !/^[\x21-\x7e]{1,64}$/.test(versionId)) return invalidVersion(versionId)
  return new S3Error('NoSuchVersion', 'The specified version does not exist.', {
    elements: { Key: key, VersionId: versionId },
  })
}
