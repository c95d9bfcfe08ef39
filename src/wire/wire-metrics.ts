import { isShoalError } from '#foundation/errors.ts'
import type { Counter, Metrics } from '#observe/metrics.ts'
import type { Connector, Listeners, Socket, SocketEvents } from '#platform/sockets.ts'
import type { WireMethods } from './methods.ts'

type Side = 'caller' | 'answerer'

/** Counts what a node calls and answers, what goes over its connections, and how many there are. It stands before the ports: what isn't handed
 *  through it isn't counted. Once for each registry. */
export class WireMetrics {
  readonly #calls: Counter
  readonly #sentBytes: Counter
  readonly #receivedBytes: Counter
  readonly #open: Record<Side, number> = { caller: 0, answerer: 0 }

  constructor(metrics: Metrics) {
    this.#calls = metrics.counter({
      name: 'shoal_wire_calls_total',
      help: 'Calls between nodes, by who counts them, method, and "ok" or the code of the error',
      labels: ['side', 'method', 'outcome'],
    })
    this.#sentBytes = metrics.counter({
      name: 'shoal_wire_sent_bytes_total',
      help: 'Bytes sent to other nodes, frames and all, before TLS',
    })
    this.#receivedBytes = metrics.counter({
      name: 'shoal_wire_received_bytes_total',
      help: 'Bytes received from other nodes, after TLS',
    })
    const help = 'Open connections between nodes, by which side this node has'
    metrics.gauge({ name: 'shoal_wire_connections', help, labels: ['side'] }, () =>
      Object.entries(this.#open).map(([side, value]) => ({ labels: { side }, value })),
    )
  }

  /** What the call comes to. An answer counts when its header is there. */
  async call<T>(method: string, call: () => Promise<T>): Promise<T> {
    return this.#counted('caller', method, call)
  }

  methods(methods: WireMethods): WireMethods {
    const counted = Object.entries(methods).map(([name, method]) => {
      return [
        name,
        {
          ...method,
          handle: (call: Parameters<typeof method.handle>[0]) => this.#counted('answerer', name, () => method.handle(call)),
        },
      ]
    })
    return Object.fromEntries(counted) as WireMethods
  }

  connector(connector: Connector): Connector {
    return { connect: async (address, signal) => this.#socket('caller', await connector.connect(address, signal)) }
  }

  listeners(listeners: Listeners): Listeners {
    return {
      listen: (address, options) =>
        listeners.listen(address, {
          connectionsMax: options.connectionsMax,
          accepted: (socket) => options.accepted(this.#socket('answerer', socket)),
          failed: (cause, remoteAddress) => options.failed(cause, remoteAddress),
        }),
    }
  }

  async #counted<T>(side: Side, method: string, call: () => Promise<T>): Promise<T> {
    try {
      const result = await call()
      this.#calls.add(1, { side, method, outcome: 'ok' })
      return result
    } catch (error) {
      this.#calls.add(1, { side, method, outcome: isShoalError(error) ? error.code : 'INTERNAL' })
      throw error
    }
  }

  #socket(side: Side, socket: Socket): Socket {
    const events = (inner: SocketEvents): SocketEvents => ({
      received: (piece) => {
        this.#receivedBytes.add(piece.length)
        inner.received(piece)
      },
      drained: () => inner.drained(),
      closed: (cause) => {
        this.#open[side] -= 1
        inner.closed(cause)
      },
    })
    return {
      remoteAddress: socket.remoteAddress,
      proof: socket.proof,
      get waitingBytes() {
        return socket.waitingBytes
      },
      open: (inner) => {
        this.#open[side] += 1
        socket.open(events(inner))
      },
      write: (pieces) => {
        let bytes = 0
        for (const { length } of pieces) bytes += length
        this.#sentBytes.add(bytes)
        return socket.write(pieces)
      },
      end: () => socket.end(),
      destroy: () => socket.destroy(),
    }
  }
}
