import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { ShoalError } from '#foundation/errors.ts'

/** What is left to chance is no reason to send clients away: only when a thread has less than this share of the mean. */
const LEAST_SHARE = 0.5

/** How many connections each thread has, in memory that they share. */
export class ConnectionShares {
  /** To be handed to another thread. */
  readonly memory: SharedArrayBuffer
  readonly #counts: Int32Array

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory
    this.#counts = new Int32Array(memory)
  }

  static for(threads: number): ConnectionShares {
    return new ConnectionShares(new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT))
  }

  /** Notes the connections of `thread`, and gives how many of them it should do without, of `listening` threads. */
  note(thread: number, connections: number, listening: number): number {
    Atomics.store(this.#counts, thread, connections)
    let all = 0
    let least = connections
    for (let at = 0; at < listening; at += 1) {
      const count = Atomics.load(this.#counts, at)
      all += count
      least = Math.min(least, count)
    }
    const mean = all / listening
    return least < mean * LEAST_SHARE ? Math.max(0, Math.floor(connections - mean)) : 0
  }
}

/** Of one server, whichever of its doors. */
export interface Traffic {
  /** How many connections are to go. */
  excess: number
  /** Requests so far, and those of them that only read. */
  requests: number
  reads: number
  /** Those of the latter that a thread has sent here, though it reads too. */
  returned: number
}

export function noTraffic(): Traffic {
  return { excess: 0, requests: 0, reads: 0, returned: 0 }
}

/** A door that sends some of its clients away after an answer, by `Connection: close`: where several threads listen, the kernel
 *  deals their next connections out anew. */
export class SheddingDoor implements Door {
  readonly name: string
  readonly #door: Door
  readonly #traffic: Traffic

  constructor(door: Door, traffic: Traffic) {
    this.#door = door
    this.#traffic = traffic
    this.name = door.name
  }

  handle(exchange: Exchange): void | Promise<void> {
    const traffic = this.#traffic
    const { isForwarded, mayForward } = exchange.connection
    traffic.requests += 1
    if (isReading(exchange)) {
      traffic.reads += 1
      if (isForwarded && mayForward) traffic.returned += 1
      if (traffic.excess > 0 && !exchange.mustClose && !isForwarded) {
        traffic.excess -= 1
        exchange.mustClose = true
      }
    }
    return this.#door.handle(exchange)
  }

  fail(exchange: Exchange, error: ShoalError): void {
    this.#door.fail(exchange, error)
  }
}

export function isReading({ method }: Exchange): boolean {
  return method === 'GET' || method === 'HEAD'
}
