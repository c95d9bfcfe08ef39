import { parseHttpDate } from '#gateway/http/http-date.ts'
import type { CheckObject } from '#volume/objects.ts'
import type { Wish } from '../access/condition-values.ts'
import type { S3Call, S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { removeCheck } from './conditions.ts'
import { openBucket, targetOf } from './find-object.ts'

export const deleteObject: S3Operation = {
  name: 'DeleteObject',
  method: 'DELETE',
  where: 'object',
  isRemembered: true,
  async handle(call) {
    const objects = await openBucket(call)
    const { key, versionId } = targetOf(call)
    const removed = await objects.remove(key, {
      caller: call.caller,
      versionId,
      check: conditionsOf(call),
      bypass: await bypassOf(call, { bucket: call.bucket, key, versionId }),
    })
    const headers = removed.versionId === undefined ? [] : ['x-amz-version-id', removed.versionId]
    if (removed.isMarker) headers.push('x-amz-delete-marker', 'true')
    call.sendEmpty(204, headers)
  },
}

/** Whether retention in governance mode is to be passed by: asked for, and allowed. */
export async function bypassOf(call: S3Call, object: Omit<Wish, 'action'>): Promise<boolean> {
  if (call.header('x-amz-bypass-governance-retention')?.toLowerCase() !== 'true') return false
  return call.access.allows({ ...object, action: 's3:BypassGovernanceRetention' })
}

function conditionsOf(call: S3Call): CheckObject | undefined {
  const time = call.header('x-amz-if-match-last-modified-time')
  const size = call.header('x-amz-if-match-size')
  return removeCheck({
    etag: call.header('if-match'),
    modifiedMs: time === undefined ? undefined : parseTime(time, call.services.clock.nowMs()),
    sizeBytes: size === undefined ? undefined : parseSize(size),
  })
}

/** @throws InvalidArgument */
export function parseTime(text: string, nowMs: number): number {
  const timeMs = parseHttpDate(text, nowMs) ?? (/^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN)
  if (Number.isNaN(timeMs)) throw new S3Error('InvalidArgument', `"${text.slice(0, 80)}" is not a time`)
  return timeMs
}

/** @throws InvalidArgument */
export function parseSize(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new S3Error('InvalidArgument', `"${text.slice(0, 80)}" is not a size in bytes`)
  return Number(text)
}
