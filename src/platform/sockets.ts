/** Host names and addresses without brackets; `port` 0 lets the system choose one to listen on. */
export interface SocketAddress {
  readonly host: string
  readonly port: number
}

/** What is known of who is at the other end. `plain`: nothing is encrypted, and nothing proven. `anonymous`: it showed no
 *  certificate. `refused`: it showed one that the authority doesn't vouch for. `proven`: it has the key of a certificate
 *  that the authority signed for these URIs. */
export type PeerProof =
  | { readonly kind: 'plain' }
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'proven'; readonly uris: readonly string[] }

export interface SocketEvents {
  /** The next bytes, in order; at least one. They belong to the receiver, who must not change them. */
  received(piece: Buffer): void
  /** Few enough bytes wait again that more may be written. */
  drained(): void
  /** The last event, exactly once: nothing is received or sent any more. `cause`: unless it was closed in order. */
  closed(cause: Error | undefined): void
}

/** A connection: an ordered stream of bytes in each direction. Received bytes aren't held back: who bounds them is the
 *  protocol that is spoken. */
export interface Socket {
  readonly remoteAddress: string
  readonly proof: PeerProof
  /** Says once who is told what happens. Nothing is lost before. */
  open(events: SocketEvents): void
  /** Takes the pieces for sending, one after another; they must not change any more. What is written in one turn of the
   *  event loop is sent together. False if so much waits now that the caller should wait for `drained`: nothing is lost if it doesn't.
   *  Writing to a closed socket does nothing. */
  write(pieces: readonly Uint8Array[]): boolean
  /** Bytes that were written and not yet taken by the system. */
  readonly waitingBytes: number
  /** Sends what waits, then closes. */
  end(): void
  /** Closes at once; what waits is lost. Repeating it is harmless. */
  destroy(): void
}

/** Makes connections. @throws the system's error, such as ECONNREFUSED, or OpenSSL's, whose codes `isProofError` knows;
 *  the signal's reason once it is aborted */
export interface Connector {
  connect(address: SocketAddress, signal?: AbortSignal): Promise<Socket>
}

export interface Listener {
  /** Where it listens, with the port that the system chose. */
  readonly address: SocketAddress
  /** Takes no more connections; those that it took go on. Repeating it is harmless. */
  close(): Promise<void>
}

export interface ListenOptions {
  /** Connections beyond it are closed when they come. */
  readonly connectionsMax: number
  accepted(socket: Socket): void
  /** A connection failed before it could be handed over, in its handshake above all. */
  failed(cause: Error, remoteAddress: string): void
}

/** Takes connections. @throws the system's error, such as EADDRINUSE */
export interface Listeners {
  listen(address: SocketAddress, options: ListenOptions): Promise<Listener>
}

/** What one end proves itself with, and what it believes. PEM. */
export interface SocketKeys {
  /** The certificate of the authority alone whose signatures count. */
  readonly authority: string
  /** None for who doesn't have a certificate yet: it may connect, not listen. */
  readonly pair?: { readonly certificate: string; readonly key: string }
}

/** `plain`: no encryption and no proof. */
export type SocketSecurity = 'plain' | SocketKeys

const PROOF_ERRORS = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** Whether a connection failed because the other side's certificate isn't one that the authority vouches for now. */
export function isProofError(code: string | undefined): boolean {
  return code !== undefined && PROOF_ERRORS.has(code)
}
