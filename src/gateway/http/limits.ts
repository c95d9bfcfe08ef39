/** The limits of an HTTP server; each has an answer when it is reached. */
export interface HttpLimits {
  /** Open connections; further ones are closed at once. */
  readonly maxConnections: number
  /** Requests under way on one connection (pipelining): 503 BUSY, and the connection ends. */
  readonly maxPipelined: number
  /** Request line and headers together: 431 HEADERS_TOO_LARGE. */
  readonly maxHeaderBytes: number
  /** Header fields of a request: 431 HEADERS_TOO_LARGE. */
  readonly maxHeaders: number
  /** From the beginning of a connection to the end of its TLS handshake: it is cut. */
  readonly handshakeTimeoutMs: number
  /** Until the headers of a request are complete: 408 TIMEOUT. */
  readonly headersTimeoutMs: number
  /** Between two requests of a connection: it is closed. */
  readonly keepAliveMs: number
  /** Time in which a body that the server waits for has to bring `minBodyProgressBytes` or its end: 408 TIMEOUT. */
  readonly bodyIdleMs: number
  readonly minBodyProgressBytes: number
  /** Time in which a reader of a response has to take at least something: the connection is cut. */
  readonly responseIdleMs: number
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  // Well under the 65,536 descriptors that service managers commonly grant, with room for chunk files.
  maxConnections: 10_000,
  maxPipelined: 64,
  // A path of 16,384 bytes, each percent-encoded, is 48 KiB; the rest is for the headers.
  maxHeaderBytes: 64 * 1024,
  // Many times what clients and the proxies on the way send.
  maxHeaders: 1_000,
  // Three round trips of a link that loses packets.
  handshakeTimeoutMs: 10_000,
  headersTimeoutMs: 20_000,
  // Longer than the 60 s for which common load balancers keep their side.
  keepAliveMs: 65_000,
  bodyIdleMs: 30_000,
  minBodyProgressBytes: 256,
  responseIdleMs: 60_000,
}
