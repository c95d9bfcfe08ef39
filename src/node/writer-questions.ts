import type { PackPlace } from '#chunk/pack-reader.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { forTheWriter } from '#kv/following-store.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import type { FromReader, ToReader } from './reader-messages.ts'

/** Questions that wait for an answer; a reader that has more sends requests on instead. */
const WAITING_MAX = 4_096

type Waiting<T> = { resolve(value: T): void; reject(error: Error): void }

/** What a reader asks the thread that writes. Places that are asked for in one turn of the event loop share a message; they are
 *  answered in the order of the questions. */
export class WriterQuestions {
  readonly #post: (message: FromReader) => void
  #asked: ChunkId[] = []
  readonly #places: Waiting<PackPlace | undefined>[] = []
  readonly #settling = new Map<number, Waiting<void>>()
  #questions = 0

  constructor(post: (message: FromReader) => void) {
    this.#post = post
  }

  /** Where the chunk lies in a pack; `undefined` if it doesn't. */
  readonly placeOf = (id: ChunkId): Promise<PackPlace | undefined> => {
    if (this.#places.length >= WAITING_MAX) return Promise.reject(tooMany())
    if (this.#asked.length === 0) setImmediate(() => this.#post({ kind: 'places', chunks: this.#asked.splice(0) }))
    this.#asked.push(id)
    return new Promise((resolve, reject) => this.#places.push({ resolve, reject }))
  }

  /** Resolves when all changes of the volume have ended that had begun before. */
  readonly settle = (volume: Parameters<StrongVolumes['settle']>[0]): Promise<void> => {
    if (this.#settling.size >= WAITING_MAX) return Promise.reject(tooMany())
    const { tenant, id, name } = volume
    const question = (this.#questions += 1)
    this.#post({ kind: 'settle', question, volume: { tenant, id, name } })
    return new Promise((resolve, reject) => this.#settling.set(question, { resolve, reject }))
  }

  answer(message: Extract<ToReader, { kind: 'places' | 'settled' }>): void {
    if (message.kind === 'places') {
      for (const place of message.places) this.#places.shift()?.resolve(place)
      return
    }
    const waiting = this.#settling.get(message.question)
    this.#settling.delete(message.question)
    if (message.isSettled) waiting?.resolve()
    else waiting?.reject(forTheWriter('The changes under way did not end well'))
  }
}

function tooMany(): Error {
  return forTheWriter('Too many questions wait for the thread that writes')
}
