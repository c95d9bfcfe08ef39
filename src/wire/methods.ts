import type { NodeId } from '#foundation/ids.ts'
import type { BodySource } from './body-sender.ts'
import type { IncomingBody } from './incoming-body.ts'
import type { WireHeader } from './messages.ts'

/** Details of an error that was answered before anything was done: the call may be made again, here or elsewhere, whatever it does. */
export const NOTHING_BEGUN = { began: false } as const

/** Who calls. */
export interface WirePeer {
  readonly nodeId: NodeId
  /** The version of the protocol that both speak. */
  readonly protocol: number
  /** Whether its certificate says that it is that node. Without TLS (`insecure`) it is believed. */
  readonly isProven: boolean
  readonly remoteAddress: string
}

export interface IncomingCall {
  readonly header: WireHeader
  /** Empty if the request has none. What the handler leaves is not waited for. */
  readonly body: IncomingBody
  readonly peer: WirePeer
  /** Aborted with a `ShoalError` when nobody waits for the answer any more: CANCELLED, TIMEOUT, UNAVAILABLE. */
  readonly signal: AbortSignal
  /** Time left when the request arrived. */
  readonly deadlineMs: number
}

export interface WireAnswer {
  readonly header?: WireHeader
  /** Read as far as the caller's window and the connection let it; told to return if the caller wants no more. */
  readonly body?: BodySource
}

export interface WireMethod {
  /** What it throws reaches the caller: a `ShoalError` whole, anything else as INTERNAL. */
  handle(call: IncomingCall): Promise<WireAnswer>
  /** For callers without a certificate too. */
  readonly isOpen?: boolean
}

/** By name: words of letters and digits with dots between them, such as `chunk.write`. */
export type WireMethods = Readonly<Record<string, WireMethod>>
