import * as net from 'node:net'
import { NodeSocket } from './node-sockets.ts'
import type { Connector, Listener, ListenOptions, Listeners, Socket, SocketAddress } from './sockets.ts'

/** Connections within this machine, over Unix domain sockets. `host` is the path of the socket, of at most 107 bytes, and `port` means nothing.
 *  Nothing is encrypted: who may connect is said by the mode of the folder that the path is in. */
export class NodeUnixSockets implements Connector, Listeners {
  connect({ host }: SocketAddress, signal?: AbortSignal): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const socket = net.connect({ path: host })
    const abort = (): void => void socket.destroy(signal?.reason as Error)
    const settled = (): void => signal?.removeEventListener('abort', abort)
    socket.once('error', (error) => {
      settled()
      reject(error)
    })
    socket.once('connect', () => {
      settled()
      resolve(new NodeSocket(socket, { kind: 'plain' }))
    })
    if (signal?.aborted === true) abort()
    else signal?.addEventListener('abort', abort, { once: true })
    return promise
  }

  async listen({ host }: SocketAddress, { accepted, failed, connectionsMax }: ListenOptions): Promise<Listener> {
    const server = net.createServer((socket) => accepted(new NodeSocket(socket, { kind: 'plain' })))
    server.maxConnections = connectionsMax
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject)
    server.listen({ path: host }, resolve)
    await promise
    server.removeListener('error', reject)
    server.on('error', (error) => failed(error, ''))
    return {
      address: { host, port: 0 },
      // The path goes with it. Not awaited until the connections are gone: they may stay long.
      close: async () => {
        if (server.listening) server.close()
      },
    }
  }
}
