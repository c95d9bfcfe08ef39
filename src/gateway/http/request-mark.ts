import { hash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import { MARK_ID_BYTES_MAX } from '#foundation/request-mark.ts'
import type { RequestMark } from '#foundation/request-mark.ts'
import type { Exchange } from './exchange.ts'

/** What is known of a change that another node has sent on, if it is to be done once however often it is sent. */
export interface ForwardedChange {
  /** It was sent before, and may have been done. */
  readonly isRepeat: boolean
  /** Its contents can't be sent again: it isn't to be done, but its answer given if it was. */
  readonly isQuestion: boolean
}

/** What a client is told if nobody can find out. */
export const LOST_CHANGE =
  'The connection to the node that serves this request was lost before its answer came: it may have been carried out, or not. Look, or send it again'

const KEY_LENGTH_MAX = 255
const FINGERPRINT_BYTES = 16

/** By what a request is known when it comes again: the client's `Idempotency-Key`, among its own; or else as `sentMarkOf` says. @throws INVALID_ARGUMENT for
 *  a key that can't be one */
export function markOf(exchange: Exchange, principal: string): RequestMark | undefined {
  const key = exchange.headers['idempotency-key']
  if (key === undefined) return sentMarkOf(exchange, principal)
  const id = digest(`${principal}\n${checkKey(String(key))}`)
  const { arrival, fingerprint } = factsOf(exchange, principal)
  return {
    origin: 'client',
    id,
    fingerprint,
    arrival,
    isRepeat: mayBeRepeat(exchange),
    isQuestion: exchange.change?.isQuestion === true,
  }
}

/** The mark of a request that another node has sent on: the id that it has there. `undefined` for all others: they come once. */
export function sentMarkOf(exchange: Exchange, principal: string): RequestMark | undefined {
  if (exchange.change === undefined) return undefined
  const { arrival, fingerprint } = factsOf(exchange, principal)
  return { origin: 'door', id: idOfArrival(arrival), fingerprint, arrival, ...exchange.change }
}

/** Whether it may have come before: with a key always, unless its client says that it has just made that (`X-Shoal-First-Try`). */
export function mayBeRepeat({ change, headers }: Exchange): boolean {
  return change?.isRepeat === true || (headers['idempotency-key'] !== undefined && headers['x-shoal-first-try'] === undefined)
}

function factsOf(
  { method, request, lengthBytes, id }: Exchange,
  principal: string,
): { readonly arrival: string; readonly fingerprint: Buffer } {
  return { arrival: id, fingerprint: digest(`${method}\n${request.url}\n${lengthBytes}\n${principal}`) }
}

function idOfArrival(arrival: string): Buffer {
  const id = Buffer.from(arrival, 'latin1')
  return id.length <= MARK_ID_BYTES_MAX ? id : digest(arrival)
}

function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer').subarray(0, FINGERPRINT_BYTES)
}

function checkKey(key: string): string {
  if (key.length > 0 && key.length <= KEY_LENGTH_MAX && /^[\x20-\x7e]+$/.test(key)) return key
  throw new ShoalError('INVALID_ARGUMENT', `An Idempotency-Key has 1 to ${KEY_LENGTH_MAX} printable characters of ASCII`, {
    details: { field: 'Idempotency-Key' },
  })
}
