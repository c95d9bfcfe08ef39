import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { listRows } from './answer.ts'
import { type HybridTime, NO_TIME } from './hybrid-clock.ts'
import type { Place } from './keys.ts'
import { type Body, type Kind, type Message, PATHS_MAX, type Peers, SWAP_MAX } from './message.ts'
import { PageFiller } from './page-filler.ts'
import type { Replica } from './replica.ts'

/** Leaves listed in one request: some two thousand rows with a million entries. */
const LEAVES_MAX = 64
/** How often a message is sent before the exchange breaks off. */
const TRIES = 3

export interface ExchangeOutcome {
  /** Entries that the other node had more of, and those that this one had. */
  readonly received: number
  readonly sent: number
  readonly calls: number
}

export interface ExchangeOptions {
  readonly peers: Peers
  readonly peer: NodeId
  /** Whether to speak of members and what they have acknowledged. */
  readonly withReport: boolean
  /** Awaited before each step that is much work. */
  readonly takeTurn: () => Promise<void>
  readonly signal?: AbortSignal | undefined
}

/** One round of anti-entropy with another node, begun by this one: both compare their trees of digests from the root down, list the
 *  rows of the leaves that differ, and give each other what differs. It can break off anywhere: what was taken in stays, and the next
 *  round goes down only where it still differs. Memory: the paths that are still to be looked at, 4,096 at most, and one message. */
export class Exchange {
  readonly #replica: Replica
  readonly #options: ExchangeOptions
  #received = 0
  #sent = 0
  #calls = 0

  constructor(replica: Replica, options: ExchangeOptions) {
    this.#replica = replica
    this.#options = options
  }

  /** @throws what the peer answers, or UNAVAILABLE, TIMEOUT, CANCELLED */
  async run(): Promise<ExchangeOutcome> {
    const replica = this.#replica
    const { table, store } = replica
    const report = this.#options.withReport ? await replica.report() : undefined
    const { body: begun, floor } = await this.#call({ kind: 'begin', depth: table.tree.depth, report }, 'begun')
    if (begun.report !== undefined) await replica.learn(begun.report)
    const root = await store.read((snapshot) => table.tree.root(snapshot))
    if (!root.equals(begun.root)) await this.#descend()
    if (begun.report !== undefined) {
      replica.knowledge.caughtUpWith(begun.report)
      await replica.raiseFloor(floor)
    }
    if (report !== undefined) await this.#call({ kind: 'finish', report }, 'done')
    return { received: this.#received, sent: this.#sent, calls: this.#calls }
  }

  /** Depth first, so that the paths that wait stay few. */
  async #descend(): Promise<void> {
    const { tree } = this.#replica.table
    const waiting: string[] = ['']
    let leaves: string[] = []
    while (waiting.length > 0) {
      const paths = waiting.splice(-PATHS_MAX)
      for (const child of await this.#differing(paths)) (tree.isLeaf(child) ? leaves : waiting).push(child)
      while (leaves.length >= LEAVES_MAX || (waiting.length === 0 && leaves.length > 0)) {
        await this.#reconcile(leaves.slice(0, LEAVES_MAX).toSorted())
        leaves = leaves.slice(LEAVES_MAX)
      }
    }
  }

  /** The children of nodes of the tree whose digests differ. */
  async #differing(paths: readonly string[]): Promise<string[]> {
    const { table, store } = this.#replica
    await this.#options.takeTurn()
    const { body } = await this.#call({ kind: 'compare', paths }, 'compared')
    if (body.digests.length !== paths.length * 16) throw nonsense(this.#options.peer)
    const mine = await store.read((snapshot) => paths.flatMap((path) => table.tree.children(snapshot, path)))
    const differing: string[] = []
    for (const [at, digest] of mine.entries()) {
      if (!digest.equals(body.digests[at] as Buffer)) differing.push(`${paths[at >> 4]}${(at & 15).toString(16)}`)
    }
    return differing
  }

  async #reconcile(paths: readonly string[]): Promise<void> {
    let after: Buffer | undefined
    for (;;) {
      const { body } = await this.#call({ kind: 'list', paths, after }, 'listed')
      const last = body.isComplete ? undefined : body.rows.at(-1)?.placeHash
      if (!body.isComplete && (last === undefined || (after !== undefined && last.compare(after) <= 0)))
        throw nonsense(this.#options.peer)
      await this.#compareRows({ paths, after, last, theirs: body.rows })
      if (last === undefined) return
      after = last
    }
  }

  async #compareRows(page: RowPage): Promise<void> {
    const { wants, offers } = await this.#replica.store.read((snapshot) => {
      const theirs = new Map(page.theirs.map(({ placeHash, digest }) => [placeHash.toString('hex'), digest]))
      const wanted: Buffer[] = []
      const offered: Place[] = []
      const { rows } = listRows(this.#replica, snapshot, { ...page, limit: Number.POSITIVE_INFINITY })
      for (const { placeHash, digest, place } of rows) {
        if (page.last !== undefined && placeHash.compare(page.last) > 0) break
        const name = placeHash.toString('hex')
        const other = theirs.get(name)
        theirs.delete(name)
        if (other?.equals(digest) === true) continue
        offered.push(place)
        if (other !== undefined) wanted.push(placeHash)
      }
      for (const name of theirs.keys()) wanted.push(Buffer.from(name, 'hex'))
      return { wants: wanted, offers: offered }
    })
    await this.#swap(wants, offers)
  }

  async #swap(wants: readonly Buffer[], offers: readonly Place[]): Promise<void> {
    const replica = this.#replica
    let [wantsAt, offersAt] = [0, 0]
    while (wantsAt < wants.length || offersAt < offers.length) {
      await this.#options.takeTurn()
      // The floor is read together with the states: it says what their gaps mean.
      const { entries, floor } = await replica.store.read((snapshot) => {
        const page = new PageFiller(SWAP_MAX)
        for (; offersAt < offers.length && !page.isFull; offersAt += 1)
          page.add(replica.transferred(snapshot, offers[offersAt] as Place))
        return { entries: page.entries, floor: replica.table.floor(snapshot) }
      })
      const asked = wants.slice(wantsAt, wantsAt + SWAP_MAX)
      const { body, floor: theirFloor } = await this.#call({ kind: 'swap', wants: asked, entries }, 'swapped', floor)
      if (asked.length > 0 && body.served === 0 && body.entries.length === 0) throw nonsense(this.#options.peer)
      wantsAt += Math.min(body.served, asked.length)
      this.#sent += entries.length
      this.#received += body.entries.length
      await replica.mergeAll(body.entries, theirFloor, { from: this.#options.peer, by: 'exchange' })
    }
  }

  async #call<K extends Kind>(
    body: Body,
    expected: K,
    floor?: HybridTime,
  ): Promise<{ readonly body: Extract<Body, { kind: K }>; readonly floor: HybridTime }> {
    const { peers, peer, signal } = this.#options
    const { node, clock } = this.#replica
    const message = await this.#envelope(body, floor)
    const answer = await this.#tryAgain(() => peers.call(peer, message, signal))
    if (answer.from !== peer || answer.body.kind !== expected) throw nonsense(peer)
    clock.observe(answer.now, peer)
    if (this.#replica.knowledge.isRemoved(peer))
      throw new ShoalError('FORBIDDEN', `Node ${peer} was removed from the cluster of ${node}`)
    return { body: answer.body as Extract<Body, { kind: K }>, floor: answer.floor }
  }

  /** One message that is lost need not end an exchange of many. Whether the peer is there at all the first one tells. */
  async #tryAgain(call: () => Promise<Message>): Promise<Message> {
    for (let triesLeft = this.#calls === 0 ? 1 : TRIES; ;) {
      this.#calls += 1
      try {
        return await call()
      } catch (error) {
        triesLeft -= 1
        // Who has not answered for long is asked again in another exchange.
        if (!isShoalError(error, 'UNAVAILABLE') || triesLeft === 0 || this.#options.signal?.aborted === true) throw error
      }
    }
  }

  async #envelope(body: Body, floor?: HybridTime): Promise<Message> {
    const { node, clock, store, table } = this.#replica
    const own = floor ?? (body.kind === 'begin' || body.kind === 'finish' ? await store.read((s) => table.floor(s)) : NO_TIME)
    return { from: node, now: clock.now(), floor: own, body }
  }
}

interface RowPage {
  readonly paths: readonly string[]
  readonly after: Buffer | undefined
  /** The last hash that the page tells of; `undefined`: it tells of all. */
  readonly last: Buffer | undefined
  readonly theirs: readonly { readonly placeHash: Buffer; readonly digest: Buffer }[]
}

function nonsense(peer: NodeId): ShoalError {
  return new ShoalError('UNAVAILABLE', `The answer of node ${peer} makes no sense`)
}
