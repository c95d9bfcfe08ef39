import type { BasicAuthenticator } from '#access/basic-authenticator.ts'
import type { BodyGate } from '#gateway/http/body-gate.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { Path } from '#foundation/path.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { GuardedVolumes, WriteGuard } from '#volume/locks.ts'
import type { Caller } from '#volume/volume.ts'
import { type DavTarget, parseReference } from './dav-target.ts'
import { parseIfHeader } from './if-header.ts'
import { single } from './request-headers.ts'

export interface DavServices {
  readonly volumes: GuardedVolumes
  readonly authenticator: BasicAuthenticator
  readonly clock: Clock
  readonly random: Random
  /** For bodies that don't fit into `SMALL_BODY_BYTES`. */
  readonly uploads: BodyGate
  readonly limits: { readonly maxBodyBytes: number }
}

/** One request, once it is known who asks and for what. */
export interface DavRequest<Target extends DavTarget = DavTarget> {
  readonly exchange: Exchange
  readonly services: DavServices
  readonly target: Target
  readonly caller: Caller
}

/** What the If header says of one volume: of resources elsewhere nothing is known there. @throws INVALID_ARGUMENT, INVALID_PATH … */
export function readGuard({ exchange, target }: Pick<DavRequest, 'exchange' | 'target'>, volume: string): WriteGuard {
  const header = single(exchange, 'if')
  if (header === undefined) return NO_GUARD
  const pathIn = (named: DavTarget | undefined): Path | undefined =>
    named?.kind === 'entry' && named.volume === volume ? named.path : undefined
  const lists = parseIfHeader(header).map(({ tag, terms }) => ({
    path: pathIn(tag === undefined ? target : parseReference(tag, exchange.headers.host)),
    terms,
  }))
  const tokens = lists.flatMap(({ terms }) => terms.filter(({ kind }) => kind === 'token').map(({ value }) => value))
  return { lists, tokens }
}

const NO_GUARD: WriteGuard = { lists: [], tokens: [] }
