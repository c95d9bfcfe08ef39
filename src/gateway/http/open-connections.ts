import type { Socket } from 'node:net'
import { Connection } from './connection.ts'

const connections = new WeakMap<Socket, Connection>()

/** The connections that clients have open. node:http would move each of them from one time-out to another and back with every request;
 *  here nothing happens until somebody looks which of them have been kept for long enough. */
export class OpenConnections {
  readonly #open = new Set<Connection>()

  get count(): number {
    return this.#open.size
  }

  add(connection: Connection): void {
    this.#open.add(connection)
  }

  delete(connection: Connection): void {
    this.#open.delete(connection)
  }

  /** Closes those on which nothing has come since their last answer, which was sent at `untilMs` or before. */
  closeKept(untilMs: number): void {
    for (const { socket, keptSinceMs, hasNews } of this.#open)
      if (keptSinceMs !== undefined && keptSinceMs <= untilMs && !hasNews) socket.destroy()
  }

  /** Closes those that owe a request, or the rest of one, and have said nothing for so long. */
  closeSilent(nowMs: number, idleMs: number): void {
    for (const connection of this.#open) if (connection.silentMs(nowMs) >= idleMs) connection.socket.destroy()
  }
}

/** The same for a socket, whenever it is asked for. */
export function connectionOf(socket: Socket): Connection {
  let connection = connections.get(socket)
  if (connection === undefined) {
    const client = { remoteAddress: socket.remoteAddress ?? '', isSecure: 'encrypted' in socket }
    connection = new Connection(socket, { ...client, isForwarded: false, mayForward: true })
    connections.set(socket, connection)
  }
  return connection
}

/** `undefined` if it hasn't been asked for. */
export function knownConnection(socket: Socket): Connection | undefined {
  return connections.get(socket)
}
