import type { z } from 'zod'
import { ShoalError } from '#foundation/errors.ts'
import { parsePath } from '#foundation/path.ts'
import type { Path } from '#foundation/path.ts'
import { partOfMark } from '#foundation/request-mark.ts'
import type { RequestConditions } from '#gateway/http/conditional.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { markOf } from '#gateway/http/request-mark.ts'
import { parseQuery, percentDecode } from '#gateway/http/target.ts'
import type { AttributeChanges, BodyStream, Caller, Conditions } from '#volume/volume.ts'
import { parseTimestamp } from '#foundation/timestamp.ts'

export const MAX_JSON_BYTES = 1024 * 1024

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The volume's name: the first placeholder of its routes. */
export function volumeName(exchange: Exchange): string {
  return percentDecode(exchange.parameters[0] ?? '')
}

/** The path below the volume: the second placeholder. @throws INVALID_PATH, NAME_TOO_LONG */
export function volumePath(exchange: Exchange): Path {
  return parsePath(percentDecode(exchange.parameters[1] ?? ''))
}

export function callerOf(exchange: Exchange): Caller {
  return { principal: exchange.principal ?? 'anonymous' }
}

/** The same for a route whose results are remembered. @throws INVALID_ARGUMENT for a key that can't be one */
export function callerOnce(exchange: Exchange, part?: string): Caller {
  const caller = callerOf(exchange)
  const request = markOf(exchange, caller.principal)
  if (request === undefined) return caller
  return { ...caller, request: part === undefined ? request : partOfMark(request, part) }
}

/** Of a question, whose answer needs none. */
export const NO_BODY: BodyStream = {
  async *[Symbol.asyncIterator]() {},
}

/** The parameters of the query, checked. @throws INVALID_ARGUMENT that names the one */
export function readQuery<S extends z.ZodObject>(exchange: Exchange, schema: S): z.output<S> {
  const values = parseQuery(exchange.query)
  const parsed = schema.safeParse(values)
  if (parsed.success) return parsed.data
  throw invalid('The query parameter', parsed.error)
}

/** A JSON body, checked; nothing at all counts as `{}`. @throws TOO_LARGE past 1 MiB, INVALID_ARGUMENT that names the field */
export async function readJson<S extends z.ZodType>(exchange: Exchange, schema: S): Promise<z.output<S>> {
  const bytes = await exchange.body(MAX_JSON_BYTES).collect()
  return parseJson(bytes, schema)
}

export function parseJson<S extends z.ZodType>(bytes: Uint8Array, schema: S): z.output<S> {
  let value: unknown
  try {
    value = bytes.length === 0 ? {} : JSON.parse(utf8.decode(bytes))
  } catch (cause) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `The body is not JSON in UTF-8: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
  return checkJson(value, schema)
}

/** JSON that was parsed already. @throws INVALID_ARGUMENT that names the field */
export function checkJson<S extends z.ZodType>(value: unknown, schema: S): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid('The field', parsed.error)
}

function invalid(what: string, error: z.ZodError): ShoalError {
  const issue = error.issues[0]
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const field = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])].join('.')
  const why = unknown === undefined ? issue?.message : 'there is no such one here'
  const subject = field === '' ? 'The JSON value is wrong' : `${what} "${field}" is wrong`
  return new ShoalError('INVALID_ARGUMENT', `${subject}: ${why ?? 'it does not fit'}`, { details: { field } })
}

/** X-Shoal-Mode, -Uid, -Gid and -Mtime; `undefined` if there are none. @throws INVALID_ARGUMENT */
export function readAttributeHeaders(exchange: Exchange): AttributeChanges | undefined {
  const { headers } = exchange
  const mode = single(headers['x-shoal-mode'])
  const uid = single(headers['x-shoal-uid'])
  const gid = single(headers['x-shoal-gid'])
  const mtime = single(headers['x-shoal-mtime'])
  if (mode === undefined && uid === undefined && gid === undefined && mtime === undefined) return undefined
  return {
    ...(mode === undefined ? {} : { mode: parseMode(mode) }),
    ...(uid === undefined ? {} : { uid: parseOwner('X-Shoal-Uid', uid) }),
    ...(gid === undefined ? {} : { gid: parseOwner('X-Shoal-Gid', gid) }),
    ...(mtime === undefined ? {} : { mtimeNs: parseTimestamp(mtime, 'X-Shoal-Mtime') }),
  }
}

function parseMode(text: string): number {
  if (!/^0?o?[0-7]{1,4}$/.test(text)) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `X-Shoal-Mode "${text.slice(0, 40)}" is not a mode: permission bits in octal such as "0644" are expected`,
    )
  }
  return Number.parseInt(text.replace('o', ''), 8)
}

function parseOwner(header: string, text: string): number {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(id <= 0xffff_fffe))
    throw new ShoalError('INVALID_ARGUMENT', `${header} "${text.slice(0, 40)}" is not an id from 0 to 4294967294`)
  return id
}

/** A header that has no business being sent twice: node:http has joined its values, and the value is wrong then. */
export function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value
}

/** The part of the conditions that the volume judges in the moment of the change. */
export function volumeConditions(conditions: RequestConditions): Conditions {
  return {
    ...(conditions.ifMatch === undefined ? {} : { ifMatch: conditions.ifMatch }),
    ...(conditions.ifNoneMatch === undefined ? {} : { ifNoneMatch: conditions.ifNoneMatch }),
  }
}
