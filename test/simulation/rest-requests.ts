import type { RequestHead } from '#gateway/http/forward-head.ts'
import type { Answer, Request } from './requests.ts'
import { ROOT_KEY } from './settings.ts'

const AUTHORIZATION = `Basic ${Buffer.from(`${ROOT_KEY.accessKey}:${ROOT_KEY.secretKey}`).toString('base64')}`

/** What a node may say when it can't, and has changed nothing unless it says `ambiguous`. */
const REFUSALS: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TIMEOUT', 'BUSY', 'NO_SPACE', 'STORAGE_FAILED', 'CANCELLED'])

/** A request over REST, as its bytes are. */
export function restHead(
  host: string,
  { target, content, headers = [], key }: Request,
): Pick<RequestHead, 'server' | 'target' | 'rawHeaders'> {
  const length = String(content?.length ?? 0)
  const rawHeaders = ['Host', host, 'Authorization', AUTHORIZATION, 'Content-Length', length, ...headers]
  if (key !== undefined) rawHeaders.push('Idempotency-Key', key)
  return { server: 'base', target: `/api/v1/${target}`, rawHeaders }
}

/** What a problem says. */
export function restMeaning(content: Buffer): Answer {
  const { code, detail, ambiguous } = JSON.parse(content.toString()) as { code: string; detail: string; ambiguous?: boolean }
  if (!REFUSALS.has(code)) return { kind: 'failed', code, message: detail }
  return { kind: ambiguous === true ? 'unknown' : 'refused' }
}
