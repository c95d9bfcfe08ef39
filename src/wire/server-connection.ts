import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import { BodySender } from './body-sender.ts'
import type { CreditPool } from './credit-pool.ts'
import { Deadlines } from './deadlines.ts'
import { FRAME, encodeFrame, violation } from './frames.ts'
import type { Frame } from './frames.ts'
import { checkPeer, negotiate } from './hello.ts'
import { IncomingBody } from './incoming-body.ts'
import { Link } from './link.ts'
import type { LinkOptions } from './link.ts'
import { decodeRequest, decodeWindow, encodeAnswer, encodeError, encodeWindow } from './messages.ts'
import type { Hello, Request } from './messages.ts'
import { NOTHING_BEGUN } from './methods.ts'
import type { IncomingCall, WireAnswer, WireMethods, WirePeer } from './methods.ts'
import type { RareWarnings } from './rare-warnings.ts'

export interface ServerConnectionOptions extends LinkOptions {
  readonly methods: WireMethods
  readonly pool: CreditPool
  readonly log: Log
  /** Those of the server, which are about what comes over and over. */
  readonly warnings: RareWarnings
  /** Why the node may not connect, if so. */
  refusalOf(node: NodeId): ShoalError | undefined
  /** Whether the server takes one more call; if so, `ended` follows. */
  begin(): boolean
  ended(): void
  closed(): void
}

/** A call that is being answered, until its last frame is sent or nobody waits for it any more. */
class ServedCall implements IncomingCall {
  readonly id: number
  readonly method: string
  readonly header: Request['header']
  readonly deadlineMs: number
  readonly peer: WirePeer
  readonly body: IncomingBody
  readonly sender: BodySender
  #abort: AbortController | undefined
  #reason: ShoalError | undefined

  constructor(id: number, request: Request, parts: { peer: WirePeer; body: IncomingBody; sender: BodySender }) {
    this.id = id
    this.method = request.method
    this.header = request.header
    this.deadlineMs = request.deadlineMs
    this.peer = parts.peer
    this.body = parts.body
    this.sender = parts.sender
  }

  /** Made when it is asked for: most handlers are done before anybody could abort. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#reason !== undefined) this.#abort.abort(this.#reason)
    return this.#abort.signal
  }

  abort(reason: ShoalError): void {
    this.#reason ??= reason
    this.#abort?.abort(this.#reason)
    this.body.fail(reason)
    this.sender.stop()
  }
}

/** The answering side of a connection. */
export class ServerConnection {
  readonly #options: ServerConnectionOptions
  readonly #link: Link
  readonly #calls = new Map<number, ServedCall>()
  readonly #deadlines: Deadlines<ServedCall>
  readonly #closed = new AbortController()
  /** Handlers that haven't returned, those of cancelled calls too: so that nobody can start more by cancelling. */
  #running = 0
  #lastId = 0
  #peer: WirePeer | undefined
  #isLeaving = false

  constructor(options: ServerConnectionOptions) {
    this.#options = options
    this.#deadlines = new Deadlines(options.clock, (call) =>
      this.#refuse(call, new ShoalError('TIMEOUT', `"${call.method}" was not answered within ${call.deadlineMs} ms`)),
    )
    this.#link = new Link(
      options,
      { greetsFirst: false },
      {
        greeted: (hello) => this.#greet(hello),
        frame: (frame, payload) => this.#take(frame, payload),
        data: (id, bytes, isFirst) => this.#takeData(id, bytes, isFirst),
        closed: (error) => this.#close(error),
      },
    )
  }

  /** Closes at once if the node may not be connected any more. */
  check(): void {
    const refusal = this.#peer === undefined ? undefined : this.#options.refusalOf(this.#peer.nodeId)
    if (refusal !== undefined) this.#link.fail(refusal)
  }

  /** Takes no further calls; closes when those under way are done. */
  leave(): void {
    if (this.#isLeaving) return
    this.#isLeaving = true
    this.#link.send(encodeFrame({ type: FRAME.GOODBYE, flags: 0, call: 0 }))
    if (this.#calls.size === 0) this.#link.close()
  }

  destroy(): void {
    this.#link.destroy(new ShoalError('UNAVAILABLE', 'This node is stopping'))
  }

  #greet(hello: Hello): void {
    const { hello: own, socket, warnings } = this.#options
    try {
      checkPeer(own, hello, socket.proof)
      const refusal = this.#options.refusalOf(hello.nodeId)
      if (refusal !== undefined) throw refusal
      // Before the check of the versions: the other side sees for itself that there is none in common.
      this.#link.greet()
      const protocol = negotiate(own, hello)
      const isProven = socket.proof.kind === 'proven' || socket.proof.kind === 'plain'
      this.#peer = { nodeId: hello.nodeId, protocol, isProven, remoteAddress: socket.remoteAddress }
      if (!isProven) void this.#limitStranger()
    } catch (error) {
      warnings.warn('refused a node', { why: (error as Error).message, address: socket.remoteAddress })
      throw error
    }
  }

  /** Who has no certificate has one thing to ask, and goes. */
  async #limitStranger(): Promise<void> {
    const { clock, limits } = this.#options
    try {
      await clock.sleep(limits.strangerMs, this.#closed.signal)
      this.#link.fail(new ShoalError('TIMEOUT', 'A node without a certificate may not stay connected'))
    } catch {
      // The connection has ended.
    }
  }

  #take(frame: Frame, payload: Buffer): void {
    if (frame.type === FRAME.REQUEST) return this.#begin(frame, payload)
    const call = this.#find(frame.call)
    if (call === undefined) return
    if (frame.type === FRAME.END) call.body.end()
    else if (frame.type === FRAME.WINDOW) call.sender.addCredit(decodeWindow(payload))
    else if (frame.type === FRAME.CANCEL)
      this.#abandon(call, new ShoalError('CANCELLED', `"${call.method}" was cancelled by its caller`))
    else throw violation('it sends a frame that only who answers may send')
  }

  #takeData(id: number, bytes: Buffer, isFirst: boolean): void {
    const call = this.#find(id)
    if (call === undefined) return
    if (!call.body.push(bytes, isFirst)) throw violation('it sends more than it may')
  }

  /** `undefined` for a call that is over here, and not yet there. */
  #find(id: number): ServedCall | undefined {
    if (id > this.#lastId) throw violation(`there is no call ${id}`)
    return this.#calls.get(id)
  }

  #begin(frame: Frame, payload: Buffer): void {
    const id = frame.call
    const peer = this.#peer
    if (peer === undefined || id <= this.#lastId) throw violation(`call ${id} is out of order`)
    this.#lastId = id
    const request = decodeRequest(frame.flags, payload)
    const refusal = this.#refusalOf(request, peer)
    if (refusal !== undefined) {
      this.#link.send(encodeError(id, refusal))
      return
    }
    const { pool, limits } = this.#options
    const body = new IncomingBody({
      pool,
      windowBytesMax: limits.windowBytesMax,
      grant: (bytes) => this.#link.send(encodeWindow(id, bytes)),
      // The answer's end tells the caller to stop.
      abandoned: () => undefined,
    })
    if (!request.hasBody) body.end()
    const call = new ServedCall(id, request, { peer, body, sender: new BodySender(this.#link, id) })
    this.#calls.set(id, call)
    this.#deadlines.add(call, request.deadlineMs)
    void this.#serve(call)
  }

  #refusalOf({ method }: Request, peer: WirePeer): ShoalError | undefined {
    if (this.#isLeaving) return new ShoalError('UNAVAILABLE', 'The node is stopping', { details: NOTHING_BEGUN })
    const known = this.#options.methods[method]
    if (known === undefined)
      return new ShoalError('UNSUPPORTED', `There is no method "${method}" between nodes in this release`, {
        details: NOTHING_BEGUN,
      })
    if (!peer.isProven && known.isOpen !== true)
      return new ShoalError('UNAUTHENTICATED', `"${method}" needs a certificate of the cluster: join it first`)
    if (this.#running >= this.#options.limits.callsPerConnection || !this.#options.begin())
      return new ShoalError('BUSY', 'Too many calls are under way: try again in a moment', { details: NOTHING_BEGUN })
    this.#running += 1
    return undefined
  }

  async #serve(call: ServedCall): Promise<void> {
    try {
      // The refusal has looked that there is such a method.
      const answer = await this.#options.methods[call.method]?.handle(call)
      if (answer !== undefined) await this.#answer(call, answer)
    } catch (error) {
      this.#refuse(call, this.#errorOf(error, call))
    } finally {
      this.#running -= 1
      this.#options.ended()
    }
  }

  async #answer(call: ServedCall, { header = null, body }: WireAnswer): Promise<void> {
    if (this.#calls.has(call.id)) {
      const sent = this.#link.sendInTurn([encodeAnswer(call.id, { header, hasBody: body !== undefined })])
      if (sent !== undefined) await sent
    }
    if (body !== undefined) await call.sender.send(body)
    this.#finish(call)
  }

  #errorOf(error: unknown, call: ServedCall): ShoalError {
    if (error instanceof ShoalError) return error
    this.#options.log.error('a method between nodes failed', { method: call.method, error })
    return new ShoalError('INTERNAL', `"${call.method}" failed: see the log of the node that was called`)
  }

  #refuse(call: ServedCall, error: ShoalError): void {
    if (!this.#calls.has(call.id)) return
    this.#link.send(encodeError(call.id, error))
    this.#abandon(call, error)
  }

  #abandon(call: ServedCall, error: ShoalError): void {
    call.abort(error)
    this.#finish(call)
  }

  #finish(call: ServedCall): void {
    if (!this.#calls.delete(call.id)) return
    this.#deadlines.delete(call)
    if (!call.body.isEnded) call.body.fail(new ShoalError('CANCELLED', `"${call.method}" has been answered`))
    if (this.#isLeaving && this.#calls.size === 0) this.#link.close()
  }

  #close(error: ShoalError): void {
    for (const call of [...this.#calls.values()]) this.#abandon(call, error)
    this.#deadlines.close()
    this.#closed.abort()
    this.#options.closed()
  }
}
