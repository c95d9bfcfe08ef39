import type { MemoryNetwork } from '#platform/memory-sockets.ts'

/** Who can send to whom. */
export class Connections {
  readonly #network: MemoryNetwork
  readonly #hosts: readonly string[]
  readonly #cuts = new Set<string>()
  readonly #still = new Set<string>()

  constructor(network: MemoryNetwork, hosts: readonly string[]) {
    this.#network = network
    this.#hosts = hosts
  }

  /** Nothing that the first sends reaches the second. */
  cut(from: string, to: string): void {
    this.#cuts.add(pair(from, to))
    this.#apply()
  }

  /** Nothing is taken from the host or given to it as long as its process stands still. */
  stand(host: string, isStill: boolean): void {
    if (isStill) this.#still.add(host)
    else this.#still.delete(host)
    this.#apply()
  }

  mend(): void {
    this.#cuts.clear()
    this.#apply()
  }

  /** By a fault of the network, not of a process. */
  isCut(from: string, to: string): boolean {
    return this.#cuts.has(pair(from, to))
  }

  #apply(): void {
    for (const from of this.#hosts)
      for (const to of this.#hosts) {
        if (from === to) continue
        const shouldBeCut = this.isCut(from, to) || this.#still.has(from) || this.#still.has(to)
        if (shouldBeCut === this.#network.isCut(from, to)) continue
        if (shouldBeCut) this.#network.cut(from, to)
        else this.#network.heal(from, to)
      }
  }
}

function pair(from: string, to: string): string {
  return `${from} ${to}`
}
