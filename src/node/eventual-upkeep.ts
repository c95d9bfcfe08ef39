import { indexManifests, tidyManifests } from '#eventual/manifest-index.ts'
import type { Peers } from '#eventual/message.ts'
import type { Replica } from '#eventual/replica.ts'
import { settleLeft } from '#eventual/settle-left.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { EventualVolumes } from '#volume/eventual-volumes.ts'
import type { EventualChunks } from './eventual-chunks.ts'
import { repeat } from './repeat.ts'

export interface EventualUpkeepOptions {
  readonly replica: Replica
  readonly peers: Peers
  readonly volumes: Pick<EventualVolumes, 'reapUploads'>
  readonly chunks: Pick<EventualChunks, 'read'>
  readonly clock: Clock
  readonly log: Log
}

const MANIFESTS_MS = 1_000
const UPLOADS_MS = 60_000
const SETTLE_MS = 300_000
const TIDY_MS = 3_600_000

/** What a node does for its eventual volumes by itself, whoever leads: looks up which chunks long files have, and lets go of uploads that have
 *  expired, and of chunks that nobody has any more. */
export class EventualUpkeep {
  readonly #options: EventualUpkeepOptions
  readonly #stopping = new AbortController()
  #tasks: Promise<void>[] = []

  constructor(options: EventualUpkeepOptions) {
    this.#options = options
  }

  start(): void {
    const { replica, peers, volumes, clock, log } = this.#options
    const each = { clock, log, signal: this.#stopping.signal }
    this.#tasks = [
      repeat({ ...each, intervalMs: MANIFESTS_MS }, () => this.#indexManifests()),
      repeat({ ...each, intervalMs: UPLOADS_MS }, () => volumes.reapUploads()),
      repeat({ ...each, intervalMs: SETTLE_MS }, async () => {
        if (!replica.isBusy) await settleLeft(replica, { peers, signal: this.#stopping.signal })
      }),
      repeat({ ...each, intervalMs: TIDY_MS }, () => tidyManifests(replica)),
    ]
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#tasks)
  }

  async #indexManifests(): Promise<void> {
    const { replica, chunks, log } = this.#options
    await indexManifests(
      replica,
      async (chunk, volume) => {
        const { class: className } = await replica.store.read((snapshot) => replica.table.policy(snapshot, volume))
        return chunks.read(chunk, { className })
      },
      (error) => {
        if (!isShoalError(error)) throw error
        log.debug('the list of chunks of a long file could not be had yet', { code: error.code })
      },
    )
  }
}
