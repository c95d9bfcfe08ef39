// Headers that WebDAV adds to HTTP: RFC 4918, section 10.

import { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'

export type Depth = '0' | '1' | 'infinity'

/** @throws INVALID_ARGUMENT for a depth that the method doesn't know */
export function readDepth<T extends Depth>(exchange: Exchange, allowed: readonly T[], otherwise: T): T {
  const text = single(exchange, 'depth')
  if (text === undefined) return otherwise
  const depth = allowed.find((each) => each === text.trim().toLowerCase())
  if (depth === undefined)
    throw new ShoalError('INVALID_ARGUMENT', `Depth "${text.slice(0, 40)}" is not possible here; ${allowed.join(', ')} is`)
  return depth
}

/** True unless the header says F. @throws INVALID_ARGUMENT */
export function readOverwrite(exchange: Exchange): boolean {
  const text = single(exchange, 'overwrite')?.trim().toUpperCase() ?? 'T'
  if (text !== 'T' && text !== 'F')
    throw new ShoalError('INVALID_ARGUMENT', `Overwrite "${text.slice(0, 40)}" is neither "T" nor "F"`)
  return text === 'T'
}

/** A lock that nobody says a time for outlives a short pause of its client. */
const DEFAULT_TIMEOUT_MS = 60 * 60 * 1000

/** The first time of the list that can be read; a lock may get a shorter one. */
export function readTimeoutMs(exchange: Exchange): number {
  for (const each of single(exchange, 'timeout')?.split(',') ?? []) {
    const text = each.trim().toLowerCase()
    if (text === 'infinite') return Number.MAX_SAFE_INTEGER
    const match = /^second-(\d{1,12})$/.exec(text)
    if (match !== null) return Number(match[1]) * 1000
  }
  return DEFAULT_TIMEOUT_MS
}

export function single(exchange: Exchange, name: string): string | undefined {
  const value = exchange.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}
