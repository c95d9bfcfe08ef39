import type { Clock } from '#platform/clock.ts'
import type { Address, DatagramHandlers, Datagrams } from '#platform/datagrams.ts'
import type { MemoryHost } from '#platform/memory-sockets.ts'
import type { SeededRandom } from '#platform/seeded-random.ts'
import type { Connector, Listeners, SocketKeys } from '#platform/sockets.ts'

/** Datagrams that wait for a process that stands still; its system drops what is beyond. */
const WAITING_DATAGRAMS_MAX = 256
const DELAY_MS_MAX = 400

/** What one process has of the world: its timers, its sockets, and the answers of its disk. It may stand still for a while, as
 *  under SIGSTOP or on a machine that swaps, and it ends: then nothing that it has begun goes on, whatever it still waits for. */
export class ProcessPorts {
  readonly clock: Clock
  readonly links: Connector & Listeners & { replaceKeys(keys: SocketKeys): void }
  readonly datagrams: Datagrams
  readonly #random: SeededRandom
  readonly #world: Clock
  readonly #ends: (() => void)[] = []
  readonly #waiting: (() => void)[] = []
  readonly #over = Promise.withResolvers<'over'>()
  #going: PromiseWithResolvers<void> | undefined
  #isOver = false

  constructor(parts: { time: Clock; world: Clock; sockets: MemoryHost; datagrams: Datagrams; random: SeededRandom }) {
    const { time, sockets, datagrams } = parts
    this.#random = parts.random
    this.#world = parts.world
    this.clock = {
      nowMs: () => time.nowMs(),
      nowNs: () => time.nowNs(),
      monotonicMs: () => time.monotonicMs(),
      sleep: async (delayMs, signal) => {
        try {
          await time.sleep(delayMs, signal)
        } finally {
          if (this.#isOver || this.isStill) await this.turn()
        }
      },
    }
    this.links = {
      connect: async (address, signal) => {
        await this.turn()
        return sockets.connect(address, signal)
      },
      listen: async (address, options) => {
        await this.turn()
        return sockets.listen(address, options)
      },
      replaceKeys() {},
    }
    this.datagrams = { bind: (address, handlers) => this.#bind(datagrams, address, handlers) }
  }

  get isStill(): boolean {
    return this.#going !== undefined
  }

  /** Resolves when the process may go on: at once, unless it stands still; and never once it is over. */
  turn(): Promise<void> {
    // One of its own for each: whatever waits for one that all share would be kept for as long as that.
    if (this.#isOver) return new Promise(() => {})
    return this.#going?.promise ?? Promise.resolve()
  }

  /** Timers, answers of the disk and datagrams wait from now on. What its sockets receive the network has to hold back. */
  stand(): void {
    this.#going ??= Promise.withResolvers()
  }

  goOn(): void {
    this.#going?.resolve()
    this.#going = undefined
    for (const late of this.#waiting.splice(0)) late()
  }

  /** What the process does, or that it is over before. */
  orOver<T>(task: Promise<T>): Promise<T | 'over'> {
    return Promise.race([task, this.#over.promise])
  }

  end(): void {
    this.#isOver = true
    this.#over.resolve('over')
    for (const end of this.#ends) end()
  }

  async #bind(datagrams: Datagrams, address: Address, handlers: DatagramHandlers): ReturnType<Datagrams['bind']> {
    const socket = await datagrams.bind(address, {
      ...handlers,
      onDatagram: (bytes, from) => this.#arrive(() => handlers.onDatagram(Buffer.from(bytes), from)),
    })
    this.#ends.push(() => void socket.close())
    return {
      local: socket.local,
      close: () => socket.close(),
      send: (bytes, to) => {
        if (!this.#isOver) socket.send(bytes, to)
      },
    }
  }

  /** Now and then late, behind others that were sent after it, or twice. */
  #arrive(take: () => void): void {
    const dice = this.#random.fraction()
    if (dice < 0.95) this.#receive(take)
    if (dice > 0.9) void this.#world.sleep(this.#random.below(DELAY_MS_MAX)).then(() => this.#receive(take))
  }

  #receive(take: () => void): void {
    if (this.#isOver) return
    if (!this.isStill) take()
    else if (this.#waiting.length < WAITING_DATAGRAMS_MAX) this.#waiting.push(() => this.#receive(take))
  }
}
