import { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { Heard } from '#volume/feed-questions.ts'
import type { Change } from '#volume/volume.ts'
import { changeJson } from './entry-json.ts'
import { problemLine } from './problem.ts'
import type { RestContext } from './route.ts'

/** The longest silence: well within the 60 s after which common proxies cut a silent stream. */
export const HEARTBEAT_MS = 15_000
/** A reader that takes nothing for this long is cut off: it goes on from its cursor when it is back. */
export const SLOW_READER_MS = 30_000
/** How long a first change, or the word that the cursor is too old, may delay the headers. */
const FIRST_CHANGE_MS = 50

/** What a feed tells, as the lines or events of an answer. */
export class ChangeLines {
  readonly #exchange: Exchange
  readonly #rest: RestContext
  readonly #changes: AsyncIterator<Change | Heard>
  readonly #from: string
  readonly #events: boolean
  #latest: string
  #isSilent = true
  /** Why the feed was ended, if somebody says so. */
  failure: unknown

  constructor(
    exchange: Exchange,
    rest: RestContext,
    feed: { readonly from: string; readonly changes: AsyncIterator<Change | Heard> },
  ) {
    this.#exchange = exchange
    this.#rest = rest
    this.#changes = feed.changes
    this.#from = feed.from
    this.#latest = feed.from
    this.#events = (exchange.headers.accept ?? '').includes('text/event-stream')
  }

  /** Resolves when the answer has ended. @throws what the feed throws before it has told anything */
  async run(): Promise<void> {
    const first = this.#changes.next()
    await this.#briefly(first)
    this.#exchange.startStream(200, [
      'Content-Type',
      this.#events ? 'text/event-stream' : 'application/x-ndjson',
      'Cache-Control',
      'no-store',
      'X-Shoal-Cursor',
      this.#from,
    ])
    const over = new AbortController()
    void this.#showLife(over.signal)
    try {
      await this.#tell(first)
    } catch (error) {
      if (!this.#exchange.aborted) this.#endWith(error)
    } finally {
      over.abort()
    }
  }

  async #tell(first: Promise<IteratorResult<Change | Heard, unknown>>): Promise<void> {
    for (let step = await first; step.done !== true; step = await this.#changes.next()) {
      if (this.#exchange.aborted) return
      this.#isSilent = false
      if (!this.#exchange.write(this.#format(step.value)) && !(await this.#readerKeepsUp())) return
    }
    if (this.#exchange.aborted) return
    if (this.failure !== undefined) this.#endWith(this.failure)
    else if (this.#rest.stopping.aborted)
      this.#endWith(new ShoalError('UNAVAILABLE', 'The node is stopping: go on from the cursor of the last change'))
    else this.#exchange.end()
  }

  /** Waits for `first`, but not for long. @throws what it throws meanwhile */
  async #briefly(first: Promise<unknown>): Promise<void> {
    const enough = new AbortController()
    const quiet = this.#rest.clock.sleep(FIRST_CHANGE_MS, enough.signal).catch(() => undefined)
    try {
      await Promise.race([first, quiet])
    } finally {
      enough.abort()
    }
  }

  async #showLife(over: AbortSignal): Promise<void> {
    for (;;) {
      await this.#rest.clock.sleep(HEARTBEAT_MS / 2, over).catch(() => undefined)
      if (over.aborted) return
      // Whoever reads nothing has enough to read.
      if (this.#isSilent && !this.#exchange.blocked && !this.#exchange.aborted)
        this.#exchange.write(this.#events ? ':\n\n' : '\n')
      this.#isSilent = true
    }
  }

  #format(change: Change | Heard): string {
    if (change.kind === 'heard') {
      const quiet = change.quietMs > 0 ? `,"quietMs":${change.quietMs}` : ''
      return `{"heard":${change.question}${quiet}}\n`
    }
    this.#latest = change.cursor
    const json = JSON.stringify(changeJson(change))
    return this.#events ? `id: ${change.cursor}\nevent: change\ndata: ${json}\n\n` : `${json}\n`
  }

  async #readerKeepsUp(): Promise<boolean> {
    const enough = new AbortController()
    const late = this.#rest.clock.sleep(SLOW_READER_MS, enough.signal).then(
      () => false,
      () => false,
    )
    const drained = this.#exchange.drained().then(() => true)
    const keepsUp = await Promise.race([drained, late])
    enough.abort()
    if (!keepsUp) {
      drained.catch(() => undefined)
      this.#endWith(
        new ShoalError('TIMEOUT', `Nothing was read for ${SLOW_READER_MS} ms: go on from the cursor`, {
          details: { cursor: this.#latest },
        }),
      )
    }
    return keepsUp
  }

  /** The last line says why there is no further one. */
  #endWith(error: unknown): void {
    if (!(error instanceof ShoalError)) this.#rest.log.error('change feed failed', { requestId: this.#exchange.id, error })
    const line = problemLine(error, this.#exchange.id)
    this.#exchange.end(this.#events ? `event: problem\ndata: ${line}\n` : line)
  }
}
