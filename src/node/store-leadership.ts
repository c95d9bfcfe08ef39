import type { NodeId } from '#foundation/ids.ts'
import type { ReplicatedStore } from '#kv/replicated.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { SocketAddress } from '#platform/sockets.ts'
import type { Leader, Leadership } from './leadership.ts'

/** Before what is to be done at the beginning of a term is tried again. */
const RETRY_MS = 200

export interface StoreLeadershipOptions {
  readonly store: Pick<ReplicatedStore, 'term' | 'leader' | 'onLeadership'>
  readonly nodeId: NodeId
  readonly clock: Clock
  readonly log: Log
}

/** Whether this node leads the metadata, and who does otherwise. Between being elected and leading lies what `prepare` has asked for:
 *  reading anew what this node keeps of the metadata in memory, which others have changed meanwhile. */
export class StoreLeadership implements Leadership {
  readonly #options: StoreLeadershipOptions
  readonly #steps: (() => Promise<void>)[] = []
  readonly #listeners = new Set<() => void>()
  readonly #stopped = new AbortController()
  readonly #stopListening: () => void
  /** The term for which everything has been prepared. */
  #preparedTerm: number | undefined
  #preparing: Promise<void> | undefined
  #isLeaving = false
  #told = 'false undefined'

  constructor(options: StoreLeadershipOptions) {
    this.#options = options
    this.#stopListening = options.store.onLeadership(() => this.#changed())
  }

  get isLeading(): boolean {
    const { term } = this.#options.store
    return term !== undefined && term === this.#preparedTerm && !this.#isLeaving
  }

  /** Who leads, where other nodes reach it; none while that isn't known, or nobody does. This node itself only when it is ready to. */
  leader(): Leader | undefined {
    const { store, nodeId } = this.#options
    const { leader } = store
    if (leader === undefined || (leader.id === nodeId && !this.isLeading)) return undefined
    return { nodeId: leader.id as NodeId, ...parseAddress(leader.address) }
  }

  /** Calls `listener` when `isLeading` or `leader()` has changed, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** `step` is run at the beginning of each term of this node, before it counts as leading; tried again while it fails. To be called
   *  before `start`. */
  prepare(step: () => Promise<void>): void {
    this.#steps.push(step)
  }

  /** From now on this node may lead. */
  start(): void {
    this.#changed()
    this.#preparing ??= this.#prepareTerms()
  }

  /** From now on this node doesn't count as leading, though its term may last: what is under way goes on, and nothing new begins. */
  leave(): void {
    this.#isLeaving = true
    this.#changed()
  }

  /** After `leave`: the next term counts again. */
  comeBack(): void {
    this.#isLeaving = false
    this.#changed()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#stopListening()
    this.#termBegins.resolve()
    await this.#preparing
  }

  #termBegins = Promise.withResolvers<void>()

  async #prepareTerms(): Promise<void> {
    const { store, clock, log } = this.#options
    const { signal } = this.#stopped
    while (!signal.aborted) {
      const { term } = store
      if (term === undefined || term === this.#preparedTerm) {
        await this.#termBegins.promise
        continue
      }
      try {
        for (const step of this.#steps) await step()
        this.#preparedTerm = term
        this.#changed()
      } catch (error) {
        log.warn('what leading the metadata needs is not ready, it is tried again', { error })
        await clock.sleep(RETRY_MS, signal).catch(() => {})
      }
    }
  }

  #changed(): void {
    this.#termBegins.resolve()
    this.#termBegins = Promise.withResolvers()
    const { nodeId } = this.leader() ?? {}
    const told = `${this.isLeading} ${nodeId}`
    if (told === this.#told) return
    this.#told = told
    for (const listener of this.#listeners) listener()
  }
}

/** As `formatAddress` wrote it. */
export function parseAddress(address: string): { readonly host: string; readonly nodePort: number } {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), nodePort: Number(address.slice(at + 1)) }
}

/** Of a candidate. */
export function formatAddress({ host, port }: SocketAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
