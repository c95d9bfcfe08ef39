import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { ShoalError } from '#foundation/errors.ts'
import type { Address, DatagramHandlers, Datagrams, DatagramSocket } from './datagrams.ts'

/** Some 3,000 full packets. The system takes a datagram at once unless the interface is choked; then older ones are of
 *  little worth anyway. */
const QUEUE_BYTES_MAX = 4 * 1024 * 1024

export const nodeDatagrams: Datagrams = {
  bind: async ({ host, port }, handlers) => {
    // Not "reuseAddr": two nodes on one port would each get some of the other's packets.
    const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4' })
    await bound(socket, { host, port })
    return new NodeDatagramSocket(socket, handlers)
  },
}

function bound(socket: Socket, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', (cause) => {
      socket.close()
      reject(new ShoalError('UNAVAILABLE', `Cannot receive datagrams on ${host}:${port}: ${cause.message}`, { cause }))
    })
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.removeAllListeners('error')
      resolve()
    })
  })
}

class NodeDatagramSocket implements DatagramSocket {
  readonly local: Address
  readonly #socket: Socket
  readonly #onError: (error: Error) => void
  #closed: Promise<void> | undefined

  constructor(socket: Socket, { onDatagram, onError }: DatagramHandlers) {
    const { address, port } = socket.address()
    this.local = { host: address, port }
    this.#socket = socket
    this.#onError = onError
    socket.on('message', (bytes, from) => onDatagram(bytes, { host: from.address, port: from.port }))
    socket.on('error', onError)
  }

  send(bytes: Uint8Array, to: Address): void {
    if (this.#closed !== undefined) return
    if (this.#socket.getSendQueueSize() > QUEUE_BYTES_MAX) {
      this.#onError(new ShoalError('BUSY', `A datagram to ${to.host}:${to.port} was dropped: too many wait to be sent`))
      return
    }
    this.#socket.send(bytes, to.port, to.host, (error) => {
      if (error !== null && this.#closed === undefined) this.#onError(error)
    })
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => this.#socket.close(() => resolve()))
    return this.#closed
  }
}
