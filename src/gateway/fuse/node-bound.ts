import { isShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { TYPE_MASK } from './fuse-attributes.ts'
import type { InodeTable, MountedNode } from './inode-table.ts'
import type { Notify } from './remote-changes.ts'

/** How many inodes a mount may know that nobody uses. Each takes some 400 bytes here, and a kilobyte in the kernel. */
const KNOWN_MAX = 105_000
/** The kernel looks at so many in one go. */
const BATCH = 512
/** Those that go are at least so many runs. */
const RUNS = 4
/** The kernel's word that it has forgotten them comes as a request. */
const FORGET_MS = 5
/** What was in use for a moment, as everything that a program walks over, can go a little later. */
const AGAIN_MS = [200, 400, 800]
const DIRECTORY = 0o040000

export interface NodeBoundOptions {
  readonly table: InodeTable
  readonly clock: Pick<Clock, 'sleep'>
  readonly log: Log
  readonly knownMax?: number
}

/** Keeps the table of inodes bounded: the kernel, which only forgets when memory is short, is told to forget some of what nobody uses.
 *  What it doesn't forget stays.
 *
 *  Who walks over a little more than the bound again and again must find most of it known: what was shown first is what comes next
 *  then, and if that went, nothing would be known any more when it comes. What is used isn't told, so those that go are taken from all
 *  over the table, in runs: what was shown together mostly lies in one directory, of which little is left to remember then. */
export class NodeBound {
  readonly #table: InodeTable
  readonly #clock: Pick<Clock, 'sleep'>
  readonly #log: Log
  readonly #knownMax: number
  readonly #slack: number
  /** It goes on where it was, over what is added and taken away meanwhile. */
  #walk: Iterator<MountedNode, undefined> | undefined
  /** From which size on it is worth trying again. */
  #fromSize: number
  #isPruning = false
  /** Linux 6.18 forgets inodes when told; before, names can be dropped, also of what is in use, which directories must not be. */
  #prunes = true

  constructor({ table, clock, log, knownMax = KNOWN_MAX }: NodeBoundOptions) {
    this.#table = table
    this.#clock = clock
    this.#log = log
    this.#knownMax = knownMax
    this.#slack = Math.max(1, Math.floor(knownMax / 16))
    this.#fromSize = knownMax
  }

  /** The table has grown. */
  grown(notify: Notify | undefined): void {
    if (notify === undefined || this.#isPruning || this.#table.size <= this.#fromSize) return
    this.#isPruning = true
    void this.#prune(notify)
  }

  async #prune(notify: Notify): Promise<void> {
    try {
      await this.#pruneOnce(notify)
      for (const waitMs of AGAIN_MS) {
        if (this.#table.size <= this.#knownMax) break
        await this.#clock.sleep(waitMs)
        await this.#pruneOnce(notify)
      }
    } catch (error) {
      if (!isShoalError(error, 'UNAVAILABLE')) this.#log.warn('The kernel could not be told to forget inodes', { error })
    } finally {
      this.#isPruning = false
      this.#fromSize = Math.max(this.#knownMax, this.#table.size + this.#slack)
    }
  }

  async #pruneOnce(notify: Notify): Promise<void> {
    const target = this.#knownMax - this.#slack
    let [excess, looked] = [0, 0]
    // What isn't forgotten is in use. Once all were looked at, none is passed over any more.
    while (this.#table.size > target && looked < 2 * this.#table.size) {
      excess = Math.max(excess, this.#table.size - target)
      const isFirst = looked < this.#table.size
      const next = this.#next(isFirst ? this.#spread(excess) : { skipped: 0, run: Math.min(BATCH, this.#table.size - target) })
      looked += next.looked
      if (next.batch.length > 0) await this.#tell(next.batch, notify)
    }
  }

  /** How to take `excess` of them from all over the table. */
  #spread(excess: number): { readonly skipped: number; readonly run: number } {
    const run = Math.min(BATCH, Math.ceil(excess / RUNS))
    return { skipped: run * (Math.floor(this.#table.size / excess) - 1), run }
  }

  /** Passes over some, and gives the next ones that may go, and how many it looked at. After the last one it goes on with the first. */
  #next({ skipped, run }: { readonly skipped: number; readonly run: number }) {
    const batch: MountedNode[] = []
    let [looked, left] = [0, skipped]
    for (const most = this.#table.size; batch.length < run && looked < most; looked += 1) {
      this.#walk ??= this.#table.each()
      const { value } = this.#walk.next()
      if (value === undefined) this.#walk = undefined
      else if (value.opens > 0 || value.lookups === 0) continue
      else if (left > 0) left -= 1
      else batch.push(value)
    }
    return { batch, looked }
  }

  async #tell(batch: readonly MountedNode[], notify: Notify): Promise<void> {
    if (this.#prunes) {
      try {
        await notify({ kind: 'prune', nodeIds: batch.map(({ nodeId }) => nodeId) })
      } catch (error) {
        if (!isShoalError(error, 'STORAGE_FAILED')) throw error
        this.#prunes = false
      }
    }
    if (!this.#prunes) {
      const names = batch.filter(({ mode }) => (mode & TYPE_MASK) !== DIRECTORY).flatMap((node) => this.#table.names(node))
      await Promise.all(names.map((entry) => notify(entry)))
    }
    await this.#clock.sleep(FORGET_MS)
  }
}
