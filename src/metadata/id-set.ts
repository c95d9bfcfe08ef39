/** Numbers a page covers: 8 KiB of bits. */
const PAGE_IDS = 65_536

/** A set of ids as bits, in pages that are made as they are needed: about a byte for eight ids where ids are dense. */
export class IdSet {
  readonly #pages = new Map<number, Uint8Array>()

  has(id: number): boolean {
    const page = this.#pages.get(Math.floor(id / PAGE_IDS))
    const at = id % PAGE_IDS
    return page !== undefined && ((page[at >>> 3] as number) & (1 << (at & 7))) !== 0
  }

  add(id: number): void {
    const number = Math.floor(id / PAGE_IDS)
    const at = id % PAGE_IDS
    let page = this.#pages.get(number)
    if (page === undefined) this.#pages.set(number, (page = new Uint8Array(PAGE_IDS / 8)))
    page[at >>> 3] = (page[at >>> 3] as number) | (1 << (at & 7))
  }
}
