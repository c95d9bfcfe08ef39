import { ShoalError } from '#foundation/errors.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { percentDecode } from '#gateway/http/target.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { FileLock, FileLockAnswer, FileLocks } from '#volume/file-locks.ts'
import { openVolume } from './open-volume.ts'
import type { RestContext } from './route.ts'

/** @throws UNSUPPORTED for a volume on which nobody could say who locked first */
export async function fileLocksOf(exchange: Exchange, rest: RestContext): Promise<FileLocks> {
  const { fileLocks, info } = await openVolume(exchange, rest)
  if (fileLocks !== undefined) return fileLocks
  throw new ShoalError(
    'UNSUPPORTED',
    `"${info.name}" is an eventual volume: nobody could say who was the first to lock something`,
  )
}

/** @throws PRECONDITION_FAILED for what can't be one */
export function sessionId(exchange: Exchange): string {
  const id = percentDecode(exchange.parameters[1] ?? '')
  if (/^[0-9a-f]{32}$/.test(id)) return id
  throw new ShoalError('PRECONDITION_FAILED', 'There is no such session: its id has 32 hexadecimal characters')
}

export function lockJson({ kind, start, end, pid, session }: FileLock, own: string): Record<string, unknown> {
  return { kind, start: String(start), end: String(end), pid, isOwnSession: session === own }
}

export function answerJson(answer: FileLockAnswer, own: string): Record<string, unknown> {
  const { state } = answer
  if (state === 'held') return { state, by: lockJson(answer.by, own) }
  if (state === 'waiting') return { state }
  return { state, etag: entityTag(answer.attributes), ctime: formatTimestamp(answer.attributes.ctimeNs) }
}
