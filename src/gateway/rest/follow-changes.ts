import { z } from 'zod'
import { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { Change } from '#volume/volume.ts'
import { changeJson } from './entry-json.ts'
import { problemLine } from './problem.ts'
import { readQuery } from './read-request.ts'
import type { RestContext, Route } from './route.ts'
import { ChangeSchema, FlagSchema } from './schemas.ts'
import { volumeNotFound } from './show-volume.ts'

/** Well within the 60 s after which common proxies cut a silent stream. */
export const HEARTBEAT_MS = 15_000
/** A reader that takes nothing for this long is cut off: it goes on from its cursor when it is back. */
export const SLOW_READER_MS = 30_000
/** How long a first change, or the word that the cursor is too old, may delay the headers. */
const FIRST_CHANGE_MS = 50

const QuerySchema = z.strictObject({
  cursor: z.string().min(1).optional().meta({ description: 'Of the last change seen; from now on without it' }),
  volume: z.string().min(1).optional().meta({ description: 'Changes of this volume only' }),
  follow: FlagSchema.optional().meta({ description: 'false ends when caught up' }),
})

export const followChanges: Route = {
  operation: 'followChanges',
  method: 'GET',
  path: '/api/v1/changes',
  summary: 'Follows what changes, as it happens; of an eventual volume by its name, as the node that is asked hears of it',
  query: QuerySchema,
  responses: {
    200: {
      description: 'Lines of JSON, or server-sent events where Accept asks for them',
      contentType: 'application/x-ndjson',
      schema: ChangeSchema,
    },
  },
  errors: ['VOLUME_NOT_FOUND', 'CURSOR_TOO_OLD'],
  async handle(exchange, rest) {
    const { cursor, volume, follow } = readQuery(exchange, QuerySchema)
    if (volume !== undefined && (await rest.volumes.find(volume)) === undefined) throw volumeNotFound(volume)
    const from = cursor ?? (await rest.volumes.currentCursor(volume))
    const signal = AbortSignal.any([exchange.signal, rest.stopping])
    const changes = rest.volumes.changes({
      cursor: from,
      follow: follow ?? true,
      signal,
      ...(volume === undefined ? {} : { volume }),
    })
    const stream = new ChangeStream(exchange, rest, { from, changes })
    try {
      await stream.run()
    } finally {
      // A feed that waits for the next change ends by the signal; nobody needs to see how.
      void Promise.resolve(changes.return?.()).catch(() => undefined)
    }
  },
}

type Step =
  | { readonly kind: 'change'; readonly result: IteratorResult<Change, unknown> }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'quiet' }

class ChangeStream {
  readonly #exchange: Exchange
  readonly #rest: RestContext
  readonly #changes: AsyncIterator<Change>
  readonly #from: string
  readonly #events: boolean
  #latest: string
  #pending: Promise<Step> | undefined

  constructor(exchange: Exchange, rest: RestContext, feed: { readonly from: string; readonly changes: AsyncIterator<Change> }) {
    this.#exchange = exchange
    this.#rest = rest
    this.#changes = feed.changes
    this.#from = feed.from
    this.#latest = feed.from
    this.#events = (exchange.headers.accept ?? '').includes('text/event-stream')
  }

  async run(): Promise<void> {
    let step = await this.#next(FIRST_CHANGE_MS)
    if (step.kind === 'failed') throw step.error
    this.#exchange.startStream(200, [
      'Content-Type',
      this.#events ? 'text/event-stream' : 'application/x-ndjson',
      'Cache-Control',
      'no-store',
      'X-Shoal-Cursor',
      this.#from,
    ])
    if (step.kind === 'quiet') step = await this.#next(HEARTBEAT_MS)
    for (;;) {
      if (this.#exchange.aborted) return
      if (step.kind === 'failed') return this.#endWith(step.error)
      if (step.kind === 'change' && step.result.done === true) break
      const text = step.kind === 'change' ? this.#format(step.result.value as Change) : this.#heartbeat()
      if (!this.#exchange.write(text) && !(await this.#readerKeepsUp())) return
      step = await this.#next(HEARTBEAT_MS)
    }
    if (this.#rest.stopping.aborted)
      this.#endWith(new ShoalError('UNAVAILABLE', 'The node is stopping: go on from the cursor of the last change'))
    else this.#exchange.end()
  }

  /** The next change, or `quiet` if none comes in time: the same wait goes on with the next call then. */
  async #next(waitMs: number): Promise<Step> {
    this.#pending ??= this.#changes.next().then(
      (result): Step => ({ kind: 'change', result }),
      (error: unknown): Step => ({ kind: 'failed', error }),
    )
    const enough = new AbortController()
    const quiet = this.#rest.clock.sleep(waitMs, enough.signal).then(
      (): Step => ({ kind: 'quiet' }),
      (): Step => ({ kind: 'quiet' }),
    )
    const step = await Promise.race([this.#pending, quiet])
    enough.abort()
    if (step.kind !== 'quiet') this.#pending = undefined
    return step
  }

  #format(change: Change): string {
    this.#latest = change.cursor
    const json = JSON.stringify(changeJson(change))
    return this.#events ? `id: ${change.cursor}\nevent: change\ndata: ${json}\n\n` : `${json}\n`
  }

  #heartbeat(): string {
    return this.#events ? ':\n\n' : '\n'
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
