import type { SignalOption } from './call-parts.ts'
import type { Call } from './transport.ts'
import type { ChangesOptions } from './wire.ts'

type FeedOptions = SignalOption & ChangesOptions

export function changesCall(options: FeedOptions): Call {
  return { method: 'GET', path: pathOf(options), ...callOf(options) }
}

/** `questions` are sent as they come, on lines of their own. */
export function askedCall(questions: AsyncIterable<number>, options: FeedOptions): Call {
  const body = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const question of questions) yield Buffer.from(`${question}\n`, 'latin1')
  }
  return { method: 'POST', path: pathOf(options), ...callOf(options), body, replayable: false }
}

function pathOf({ cursor, volume, follow }: FeedOptions): string {
  const query = new URLSearchParams()
  if (cursor !== undefined) query.set('cursor', cursor)
  if (volume !== undefined) query.set('volume', volume)
  if (follow === false) query.set('follow', 'false')
  return `/changes?${query}`
}

function callOf({ signal, silenceTimeoutMs }: FeedOptions): Pick<Call, 'signal' | 'silenceTimeoutMs'> {
  return { signal, ...(silenceTimeoutMs === undefined ? {} : { silenceTimeoutMs }) }
}
