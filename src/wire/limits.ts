// Every figure of the wire, with where it comes from. Those of version 1 of the protocol are fixed: both sides count on them.

export const FRAME_BYTES_MAX = 1024 * 1024
/** What a body is cut into for sending: small enough that another call's frame waits a millisecond at 2 Gbit/s. */
export const DATA_BYTES_SENT_MAX = 256 * 1024
export const HEADER_BYTES_MAX = 64 * 1024
export const METHOD_BYTES_MAX = 64
export const HELLO_BYTES_MAX = 4 * 1024
export const ERROR_BYTES_MAX = 64 * 1024
/** What a body may send before it has heard of its receiver. */
export const FIRST_WINDOW_BYTES = 64 * 1024
/** What a DATA frame takes of the window besides its bytes, so that tiny ones can't fill the memory with their bookkeeping. */
export const DATA_FRAME_COST_BYTES = 64

/** Choices of one side, which the other need not know. Times in ms. */
export interface WireLimits {
  /** Calls under way on a connection. What comes on top is answered BUSY. */
  readonly callsPerConnection: number
  /** What a server takes from all its callers together. */
  readonly callsMax: number
  readonly connectionsMax: number
  /** Connections to one peer: a second one keeps calls going beside a stream that fills the first. */
  readonly connectionsPerPeer: number
  /** A further connection is made when each one has this many calls. */
  readonly callsBeforeAnother: number
  /** How far the window of one body may grow: what a peer at 10 Gbit/s sends in 3 ms. */
  readonly windowBytesMax: number
  /** What the windows of all bodies may have together beyond their first. */
  readonly windowPoolBytes: number
  /** Bytes that wait to be sent: past it the peer takes nothing in, and the connection is given up. Bodies stop long before, and
   *  no further call is begun past half of it. */
  readonly waitingBytesMax: number
  readonly handshakeMs: number
  /** After this long without a byte the peer is asked for a sign of life, and has as long again to give one. */
  readonly quietMs: number
  /** A connection without calls is closed by its caller after this long. */
  readonly idleMs: number
  /** How long a node without a certificate may stay connected. */
  readonly strangerMs: number
  /** After a connection was ended, the other side has this long to take in what was still on its way. */
  readonly lingerMs: number
  readonly deadlineMs: number
}

export const DEFAULT_LIMITS: WireLimits = {
  callsPerConnection: 1_024,
  callsMax: 4_096,
  connectionsMax: 1_024,
  connectionsPerPeer: 2,
  callsBeforeAnother: 16,
  windowBytesMax: 4 * 1024 * 1024,
  windowPoolBytes: 64 * 1024 * 1024,
  waitingBytesMax: 16 * 1024 * 1024,
  handshakeMs: 10_000,
  quietMs: 5_000,
  idleMs: 300_000,
  strangerMs: 60_000,
  lingerMs: 2_000,
  deadlineMs: 30_000,
}
