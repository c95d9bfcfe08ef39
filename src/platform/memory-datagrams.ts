import { ShoalError } from '#foundation/errors.ts'
import type { Address, DatagramHandlers, Datagrams, DatagramSocket } from './datagrams.ts'

/** A network within the process: what is sent arrives at the end of the turn, unless `loses` says otherwise. */
export class MemoryDatagrams implements Datagrams {
  readonly #bound = new Map<string, DatagramHandlers>()
  #nextPort = 20_000
  /** Which datagrams get lost; a test may set it at any time. */
  loses: (from: Address, to: Address) => boolean = () => false

  async bind({ host, port: asked }: Address, handlers: DatagramHandlers): Promise<DatagramSocket> {
    const port = asked === 0 ? (this.#nextPort += 1) : asked
    const local = { host, port }
    const name = nameOf(local)
    if (this.#bound.has(name)) throw new ShoalError('UNAVAILABLE', `Cannot receive datagrams on ${name}: it is taken`)
    this.#bound.set(name, handlers)
    return {
      local,
      send: (bytes, to) => {
        const copy = Buffer.from(bytes)
        if (this.#bound.get(name) !== handlers || this.loses(local, to)) return
        queueMicrotask(() => this.#bound.get(nameOf(to))?.onDatagram(copy, local))
      },
      close: async () => {
        if (this.#bound.get(name) === handlers) this.#bound.delete(name)
      },
    }
  }
}

function nameOf({ host, port }: Address): string {
  return `${host}:${port}`
}
