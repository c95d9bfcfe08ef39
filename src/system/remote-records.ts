import { ShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { PeerAddress } from '#wire/peer-connections.ts'
import type { WirePeers } from '#wire/peers.ts'
import { LayoutCache } from './system-rows.ts'
import { EMPTY_VIEW } from './system-view.ts'
import type { SystemSource, SystemView } from './system-view.ts'
import { decodeView } from './view-codec.ts'

/** How long a call waits for news: less than what firewalls forget idle connections after. */
const WAIT_MS = 20_000
const DEADLINE_MS = WAIT_MS + 10_000
/** Until the next try after a failure. */
const RETRY_MS = 500
/** Another leader is there sooner; what lasts longer is worth a line. */
const WARN_AFTER_TRIES = 20
/** 64 classes with layouts of a thousand nodes have 8 MiB. */
const VIEW_BYTES_MAX = 64 * 1024 * 1024

export interface RemoteRecordsOptions {
  readonly wire: Pick<WirePeers, 'call'>
  /** The node that leads the records; `undefined` while nobody is known to. */
  readonly leader: () => PeerAddress | undefined
  readonly clock: Clock
  readonly log: Log
}

/** The cluster's records on a node that doesn't lead them: what the leader said last, news as they happen. Empty at first. */
export class RemoteRecords implements SystemSource {
  readonly #options: RemoteRecordsOptions
  readonly #layouts = new LayoutCache()
  readonly #listeners = new Set<(view: SystemView) => void>()
  #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #view: SystemView = EMPTY_VIEW

  constructor(options: RemoteRecordsOptions) {
    this.#options = options
  }

  get view(): SystemView {
    return this.#view
  }

  onChange(listener: (view: SystemView) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Also after it was stopped. */
  start(): void {
    this.#stop = new AbortController()
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted) {
      try {
        await this.#ask()
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        failures += 1
        if (failures === WARN_AFTER_TRIES) log.warn("the cluster's records can not be fetched, it is tried again", { error })
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  async #ask(): Promise<void> {
    const address = this.#options.leader()
    if (address === undefined) throw new ShoalError('UNAVAILABLE', "Nobody is known to lead the cluster's records")
    const { header, body } = await this.#options.wire.call(address, 'system.view', {
      header: { after: this.#view.version, waitMs: WAIT_MS },
      deadlineMs: DEADLINE_MS,
      signal: this.#stop.signal,
      isIdempotent: true,
    })
    const pieces: Buffer[] = []
    let lengthBytes = 0
    for await (const piece of body) {
      lengthBytes += piece.length
      if (lengthBytes > VIEW_BYTES_MAX) throw new ShoalError('TOO_LARGE', "The cluster's records are longer than they can be")
      pieces.push(piece)
    }
    if (header === null) return
    const view = decodeView(Buffer.concat(pieces), this.#layouts.decode)
    if (view.version <= this.#view.version) return
    this.#view = view
    for (const listener of this.#listeners) listener(view)
  }
}
