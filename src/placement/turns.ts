import { mixed } from './mixed.ts'

/** So many orders, each begun anywhere, bring every node together with every other. */
const ORDERS = 64

/** For each partition an order of 0 … count − 1: one of a number of shuffled ones, from a start of its own. */
export class Turns {
  readonly #count: number
  /** Each of them twice in a row, so that it can be read from anywhere. */
  readonly #orders: readonly Uint16Array[]

  constructor(count: number) {
    this.#count = count
    this.#orders = Array.from({ length: ORDERS }, (_, order) => {
      const keys = Float64Array.from({ length: count }, (__, at) => mixed(order * 0x10000 + at))
      const once = Uint16Array.from(keys.keys()).sort((a, b) => (keys[a] as number) - (keys[b] as number))
      return Uint16Array.of(...once, ...once)
    })
  }

  /** The partition's order is in here from `startOf` on. */
  orderOf(partition: number): Uint16Array {
    return this.#orders[partition % ORDERS] as Uint16Array
  }

  startOf(partition: number): number {
    return mixed(partition) % this.#count
  }
}
