/** Where a datagram comes from or goes to: an IP address or a name, and a UDP port. */
export interface Address {
  readonly host: string
  readonly port: number
}

export interface DatagramHandlers {
  /** `bytes` are the receiver's to keep. */
  readonly onDatagram: (bytes: Buffer, from: Address) => void
  /** Something could not be sent, or the system reported an error. The socket goes on. */
  readonly onError: (error: Error) => void
}

export interface DatagramSocket {
  /** Where it is bound; the port is a real one, also if 0 was asked for. */
  readonly local: Address
  /** Sends `bytes`, or loses them: whoever needs an answer waits for it. Never throws; after `close` it does nothing.
   *  What the system can't take at once waits up to a limit, past which datagrams are lost and `onError` is told. Don't
   *  reuse the buffer. */
  send(bytes: Uint8Array, to: Address): void
  /** Nothing is received any more once the promise has resolved. Repeating it is harmless. */
  close(): Promise<void>
}

/** UDP, as everything else in Shoal gets to see it: datagrams may be lost, doubled, delayed and out of order, never
 *  torn. */
export interface Datagrams {
  /** @throws UNAVAILABLE if the address can't be had */
  bind(address: Address, handlers: DatagramHandlers): Promise<DatagramSocket>
}
