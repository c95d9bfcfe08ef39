import { FRAME, encodeFrame } from './frames.ts'
import { DATA_BYTES_SENT_MAX, DATA_FRAME_COST_BYTES, FIRST_WINDOW_BYTES } from './limits.ts'
import type { Link } from './link.ts'

/** Pieces of a body, in order. They must not change once they were given. */
export type BodySource = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** With less credit than that a piece waits for more, rather than go out in crumbs. The receiver grants half a window at least. */
const CRUMB_BYTES = 4_096

/** Sends the body of one call: as much at a time as the receiver's window and the connection take. */
export class BodySender {
  readonly #link: Link
  readonly #call: number
  #creditBytes = FIRST_WINDOW_BYTES
  #isStopped = false
  #wakeUp: (() => void) | undefined
  #iterator: Iterator<Uint8Array> | AsyncIterator<Uint8Array> | undefined

  constructor(link: Link, call: number) {
    this.#link = link
    this.#call = call
  }

  addCredit(bytes: number): void {
    this.#creditBytes += bytes
    this.#wake()
  }

  /** Nobody wants more: the source is told to return. */
  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#wake()
    void this.#returnSource()
  }

  /** Resolves once all is handed to the connection, its end too, or it was stopped. Rejects with the source's error, and
   *  with the connection's. */
  async send(source: BodySource): Promise<void> {
    const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
    this.#iterator = iterator
    if (this.#isStopped) return this.#returnSource()
    try {
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        if (!this.#isStopped) await this.#sendPiece(next.value)
        // A stop has told the source to return.
        if (this.#isStopped) return
      }
      if (!this.#isStopped) this.#link.send(encodeFrame({ type: FRAME.END, flags: 0, call: this.#call }))
      this.#iterator = undefined
    } finally {
      this.#isStopped = true
      await this.#returnSource()
    }
  }

  async #sendPiece(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length && !this.#isStopped;) {
      const left = Math.min(piece.length - at, DATA_BYTES_SENT_MAX)
      if (this.#creditBytes < DATA_FRAME_COST_BYTES + Math.min(left, CRUMB_BYTES)) {
        await new Promise<void>((resolve) => (this.#wakeUp = resolve))
        continue
      }
      const taken = Math.min(left, this.#creditBytes - DATA_FRAME_COST_BYTES)
      this.#creditBytes -= taken + DATA_FRAME_COST_BYTES
      const sent = this.#link.sendData(this.#call, piece.subarray(at, at + taken))
      if (sent !== undefined) await sent
      at += taken
    }
  }

  #wake(): void {
    this.#wakeUp?.()
    this.#wakeUp = undefined
  }

  /** A generator returns once what it waits for has happened; what it throws then is of no use to anybody. */
  async #returnSource(): Promise<void> {
    const iterator = this.#iterator
    this.#iterator = undefined
    try {
      await iterator?.return?.()
    } catch {
      return
    }
  }
}
