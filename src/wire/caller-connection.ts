import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { BodySender } from './body-sender.ts'
import type { BodySource } from './body-sender.ts'
import type { CreditPool } from './credit-pool.ts'
import { Deadlines } from './deadlines.ts'
import { FRAME, encodeFrame, violation } from './frames.ts'
import type { Frame } from './frames.ts'
import { checkExpected, checkPeer, negotiate } from './hello.ts'
import { IncomingBody } from './incoming-body.ts'
import { Link } from './link.ts'
import type { LinkOptions } from './link.ts'
import { decodeAnswer, decodeError, decodeWindow, encodeRequest, encodeWindow } from './messages.ts'
import type { Hello, WireHeader } from './messages.ts'

/** What a call is answered with. Whoever doesn't read `body` to its end must `cancel` it. */
export interface WireReply {
  readonly header: WireHeader
  readonly body: IncomingBody
}

export interface CallOptions {
  readonly header?: WireHeader
  readonly body?: BodySource | undefined
  /** For the whole call, the body of the answer too. */
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
  /** The request goes out now: a failure before it means that the other side has seen nothing. */
  readonly onSend?: (() => void) | undefined
}

export interface CallerOptions extends LinkOptions {
  readonly pool: CreditPool
  /** The node that should be there; any of the cluster unless given. */
  readonly expected?: NodeId | undefined
}

interface Call {
  readonly id: number
  readonly method: string
  readonly deadlineMs: number
  readonly sender: BodySender | undefined
  readonly signal: AbortSignal | undefined
  readonly onAbort: () => void
  /** Present once the answer's header has come, if it has a body. */
  body: IncomingBody | undefined
  resolve(reply: WireReply): void
  reject(error: ShoalError): void
}

const CALL_IDS_MAX = 0xffff_ffff

/** The calling side of a connection: whoever made it calls, the other side answers. */
export class CallerConnection {
  readonly #options: CallerOptions
  readonly #link: Link
  readonly #calls = new Map<number, Call>()
  readonly #deadlines: Deadlines<Call>
  readonly #greeted = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<void>()
  #lastId = 0
  #isRetired = false

  private constructor(options: CallerOptions) {
    this.#options = options
    this.#deadlines = new Deadlines(options.clock, (call) =>
      this.#give(call, new ShoalError('TIMEOUT', `"${call.method}" was not done within ${Math.round(call.deadlineMs)} ms`)),
    )
    this.#link = new Link(
      options,
      { greetsFirst: true },
      {
        greeted: (hello) => this.#greet(hello),
        frame: (frame, payload) => this.#take(frame, payload),
        data: (id, bytes, isFirst) => this.#takeData(id, bytes, isFirst),
        closed: (error) => this.#close(error),
      },
    )
  }

  /** Greets the other side. The socket belongs to the connection from now on.
   *  @throws UNAUTHENTICATED, UNSUPPORTED, UNAVAILABLE, TIMEOUT */
  static async open(options: CallerOptions): Promise<CallerConnection> {
    const connection = new CallerConnection(options)
    await connection.#greeted.promise
    return connection
  }

  /** Whether further calls may be made on it. */
  get isUsable(): boolean {
    return this.#link.isOpen && !this.#isRetired
  }

  get callsUnderWay(): number {
    return this.#calls.size
  }

  /** Since it was opened. */
  get callsMade(): number {
    return this.#lastId
  }

  /** Resolves when it is closed, for whatever reason. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /** Resolves with the header of the answer; its body follows. @throws what the handler threw; TIMEOUT, CANCELLED,
   *  UNAVAILABLE, and what the request's own body throws */
  call(method: string, { header = null, body, deadlineMs, signal, onSend }: CallOptions): Promise<WireReply> {
    if (signal?.aborted === true) return Promise.reject(cancelled(method))
    if (!this.isUsable) return Promise.reject(this.#link.error ?? new ShoalError('UNAVAILABLE', 'The other node is stopping'))
    if (this.#link.isCrowded)
      return Promise.reject(new ShoalError('BUSY', 'The other node is slow to take calls in: try again in a moment'))
    const id = this.#lastId + 1
    let request: Buffer
    try {
      request = encodeRequest(id, { method, header, hasBody: body !== undefined, deadlineMs })
    } catch (error) {
      return Promise.reject(error as ShoalError)
    }
    onSend?.()
    this.#lastId = id
    if (id === CALL_IDS_MAX) this.#isRetired = true
    return new Promise((resolve, reject) => {
      const sender = body === undefined ? undefined : new BodySender(this.#link, id)
      const onAbort = (): void => this.#give(call, cancelled(method))
      const call: Call = { id, method, deadlineMs, sender, signal, onAbort, body: undefined, resolve, reject }
      this.#calls.set(id, call)
      this.#deadlines.add(call, deadlineMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#link.send(request)
      if (sender === undefined) return
      sender.send(body as BodySource).catch((error: unknown) => this.#give(call, error as ShoalError))
    })
  }

  /** No further calls; closes when those under way are done. */
  retire(): void {
    this.#isRetired = true
    if (this.#calls.size === 0) this.#link.close()
  }

  /** Closes at once: calls under way fail with UNAVAILABLE. */
  destroy(): void {
    this.#link.destroy(new ShoalError('UNAVAILABLE', 'This node is stopping'))
  }

  #greet(hello: Hello): void {
    const { hello: own, socket, expected } = this.#options
    negotiate(own, hello)
    checkPeer(own, hello, socket.proof)
    checkExpected(expected, hello)
    this.#greeted.resolve()
  }

  #take(frame: Frame, payload: Buffer): void {
    if (frame.type === FRAME.GOODBYE) return this.retire()
    const call = this.#find(frame.call)
    if (call === undefined) return
    if (frame.type === FRAME.ANSWER) this.#answer(call, frame, payload)
    else if (frame.type === FRAME.WINDOW) call.sender?.addCredit(decodeWindow(payload))
    else if (frame.type === FRAME.ERROR) this.#finish(call, decodeError(payload))
    else if (frame.type === FRAME.END) {
      if (call.body === undefined) throw violation('it ends a body that it did not announce')
      this.#finish(call, undefined)
    } else throw violation('it sends a frame that only who calls may send')
  }

  #answer(call: Call, frame: Frame, payload: Buffer): void {
    if (call.body !== undefined) throw violation('it answers a call twice')
    const { header, hasBody } = decodeAnswer(frame.flags, payload)
    const body = new IncomingBody({
      pool: this.#options.pool,
      windowBytesMax: this.#options.limits.windowBytesMax,
      grant: (bytes) => this.#link.send(encodeWindow(call.id, bytes)),
      abandoned: () => this.#give(call, cancelled(call.method)),
    })
    call.body = body
    if (!hasBody) this.#finish(call, undefined)
    call.resolve({ header, body })
  }

  #takeData(id: number, bytes: Buffer, isFirst: boolean): void {
    const call = this.#find(id)
    if (call === undefined) return
    if (call.body === undefined) throw violation('it sends a body before the answer')
    if (!call.body.push(bytes, isFirst)) throw violation('it sends more than it may')
  }

  /** `undefined` for a call that is over here, and not yet there. */
  #find(id: number): Call | undefined {
    if (id > this.#lastId) throw violation(`there is no call ${id}`)
    return this.#calls.get(id)
  }

  /** Gives a call up from this side. */
  #give(call: Call, error: ShoalError): void {
    if (!this.#calls.has(call.id)) return
    this.#link.send(encodeFrame({ type: FRAME.CANCEL, flags: 0, call: call.id }))
    this.#finish(call, error)
  }

  #finish(call: Call, error: ShoalError | undefined): void {
    if (!this.#calls.delete(call.id)) return
    this.#deadlines.delete(call)
    call.signal?.removeEventListener('abort', call.onAbort)
    call.sender?.stop()
    if (error === undefined) call.body?.end()
    else if (call.body === undefined) call.reject(error)
    else call.body.fail(error)
    if (this.#isRetired && this.#calls.size === 0) this.#link.close()
  }

  #close(error: ShoalError): void {
    this.#greeted.reject(error)
    for (const call of [...this.#calls.values()]) this.#finish(call, error)
    this.#deadlines.close()
    this.#closed.resolve()
  }
}

function cancelled(method: string): ShoalError {
  return new ShoalError('CANCELLED', `"${method}" was cancelled`)
}
