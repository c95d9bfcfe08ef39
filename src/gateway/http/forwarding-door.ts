import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { NOTHING_BEGUN } from '#wire/methods.ts'
import type { Door } from './door.ts'
import type { Exchange } from './exchange.ts'
import type { RequestHead } from './forward-head.ts'
import { isNothingBegun } from './forward-target.ts'
import type { ForwardTarget, ForwardedAnswer } from './forward-target.ts'
import { ForwardedResponse } from './forwarded-response.ts'
import { relayAnswer } from './relay-answer.ts'
import { ReplayableBody } from './replayable-body.ts'
import type { BodyAttempt } from './replayable-body.ts'
import type { UnderWay } from './under-way.ts'

/** Who serves requests. */
export interface Forwarding {
  /** `here`; or where to; or `undefined` while nobody knows. Cheap: it is asked for each request, and must not read its body. */
  decide(exchange: Exchange): 'here' | ForwardTarget | undefined
  /** Has the listener called after each change of what `decide` says. */
  onChange(listener: () => void): void
}

export interface ForwardingDoorOptions {
  /** Serves what is served here, and gives errors their form. */
  readonly door: Door
  readonly forwarding: Forwarding
  /** What the server in which this door is is called in the target's `forwardMethods`. */
  readonly server: string
  /** Is given what is served here, until the door has done with it. */
  readonly servedHere?: UnderWay | undefined
  readonly clock: Clock
  readonly log: Log
}

/** Bodies up to this length are received before the request is sent on, and sent in one piece with its head. */
const WHOLE_BYTES_MAX = 16 * 1024
const NO_BYTES = Buffer.alloc(0)
/** Within it another leader is elected after one has died, nearly always (3 s), and clients don't give up yet. */
const PATIENCE_MS = 5_000
/** Requests that wait for somebody to lead; further ones are told to come again at once. */
const WAITING_MAX = 1_000
/** A node that hands over ends what it was sent before within it; one that is cut off never answers, and shows it only by its silence (10 s). */
const FORMER_MS = 3_000
/** Before the second try, doubled for each further one. */
const FIRST_DELAY_MS = 25
const LONGEST_DELAY_MS = 500

/** Methods that change nothing (RFC 9110, section 9.2.1; RFC 4918, section 9.1): doing one twice can't be told from doing it once. */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PROPFIND'])

/** Sends requests that are not for this node on to the one that they are for, as they came, and relays its answer: so any node serves any request.
 *
 *  The other side sees the request as if its client were connected to it: raw target, raw headers in their order, the client's address, the id that the client is told. It
 *  answers in full, errors too; this side only writes what belongs to the connection. Bodies flow both ways as fast as their reader takes them.
 *
 *  **A request is sent again** when nothing came back, for up to 5 s, while what was read of its body is at most 64 KiB:
 *  * whatever it asks for, if nobody has begun to work on it: the target wasn't reached, was full, stopping, or is not the one any more;
 *  * after the connection broke while it was being worked on, if its method is safe (GET, HEAD, OPTIONS, PROPFIND). A PUT or DELETE may have been done by then, and once another client has seen
 *    that and gone on, doing it again undoes what that one did: idempotent (RFC 9110, section 9.2.2) is not enough where reads are linearizable. The client is told UNAVAILABLE (503,
 *    `Retry-After`), that it may have been done (`ambiguous`), and decides for itself.
 *  A node that others have taken over from counts as lost when it hasn't answered 3 s later.
 *  An answer that breaks off after its head was relayed cuts the connection to the client.
 *
 *  While nobody is known who serves it, up to 1,000 requests wait for up to 5 s; then, and beyond that, UNAVAILABLE.
 *
 *  A request that was sent on already is served, or refused with `NOTHING_BEGUN`: never sent on again. So two nodes that are of different minds don't play ball with it.
 *  From a thread to its own node (`fromThreads`) doesn't count.
 *
 *  A request of 1 KiB costs this side 16 to 50 µs more than its own do, and the other side 15 to 40 µs (docs/adr/0015-requests-are-forwarded-as-they-came.md).
 *
 *  Every node is given both halves, one `ForwardingDoor` around each door whose requests depend on who leads:
 *
 *  ```ts
 *  const forwarding: Forwarding = {
 *    decide({ path }) {
 *      if (leadership.isLeading || path === '/healthz' || path === '/readyz' || path === '/metrics') return 'here'
 *      const leader = leadership.leader()
 *      if (leader === undefined) return undefined
 *      if (leader.nodeId !== target?.nodeId) target = { nodeId: leader.nodeId, to: new ForwardOverWire(wirePeers, { ...leader, port: leader.nodePort }) }
 *      return target.to
 *    },
 *    onChange: (listener) => leadership.onChange(listener),
 *  }
 *  const s3 = new HttpServer({ doors: [{ prefix: '/', door: new ForwardingDoor({ door: s3Door, forwarding, server: 's3', clock, log }) }], … })
 *  const methods = { ...chunkMethods(…), ...forwardMethods({ base, s3 }) }   // of the WireServer
 *  ``` */
export class ForwardingDoor implements Door {
  readonly name: string
  readonly #options: ForwardingDoorOptions
  readonly #waiting = new Set<AbortController>()
  readonly #tries = new Set<Try>()
  /** Ends the wait for former leaders when nothing waits for one any more. */
  #answered: AbortController | undefined

  constructor(options: ForwardingDoorOptions) {
    this.#options = options
    this.name = options.door.name
    options.forwarding.onChange(() => {
      for (const turn of this.#waiting) turn.abort()
      if (this.#tries.size > 0) void this.#giveUpFormer()
    })
  }

  handle(exchange: Exchange): void | Promise<void> {
    const where = this.#options.forwarding.decide(exchange)
    if (where === 'here') return this.#serve(exchange)
    if (!exchange.connection.mayForward) throw new NotHere()
    return this.#forward(exchange)
  }

  fail(exchange: Exchange, error: ShoalError): void {
    if (exchange.response instanceof ForwardedResponse && error instanceof NotHere) exchange.response.refuse(error)
    else this.#options.door.fail(exchange, error)
  }

  #serve(exchange: Exchange): void | Promise<void> {
    const serving = this.#options.door.handle(exchange)
    const over = serving === undefined ? undefined : this.#options.servedHere?.begin()
    if (over !== undefined) void serving?.then(over, over)
    return serving
  }

  async #forward(exchange: Exchange): Promise<void> {
    const { clock } = this.#options
    const untilMs = clock.monotonicMs() + PATIENCE_MS
    const sent = new SentRequest(exchange, this.#options.server)
    for (let tries = 1; ; tries += 1) {
      const where = await this.#find(exchange, untilMs)
      if (where === 'here') {
        if (!(await sent.takeBack())) throw unavailable('This node has only just begun to serve such requests: send it again')
        return this.#serve(exchange)
      }
      let answer: ForwardedAnswer
      try {
        answer = await this.#try(exchange, sent, where)
      } catch (error) {
        await this.#consider(exchange, { error, sent, tries, untilMs, target: where })
        continue
      }
      return this.#relay(exchange, answer, where)
    }
  }

  /** The answer, unless the target is found not to serve such requests any more and doesn't give one. */
  async #try(exchange: Exchange, sent: SentRequest, target: ForwardTarget): Promise<ForwardedAnswer> {
    const given = Promise.withResolvers<ForwardedAnswer>()
    const one: Try = { exchange, target, giveUp: given.reject }
    this.#tries.add(one)
    const answering = sent.to(target)
    answering.then(given.resolve, given.reject)
    try {
      return await given.promise
    } catch (error) {
      sent.endTry()
      // It may come after all: nobody reads it then.
      answering.then(({ body }) => body.return?.()).catch(() => {})
      throw error
    } finally {
      this.#tries.delete(one)
      if (this.#tries.size === 0) this.#answered?.abort()
    }
  }

  async #giveUpFormer(): Promise<void> {
    const { clock, forwarding } = this.#options
    const before = [...this.#tries]
    if (this.#answered?.signal.aborted !== false) this.#answered = new AbortController()
    await clock.sleep(FORMER_MS, this.#answered.signal).catch(() => {})
    for (const one of before) {
      if (!this.#tries.has(one)) continue
      const now = forwarding.decide(one.exchange)
      if (now !== undefined && now !== one.target)
        one.giveUp(unavailable('It was sent to a node that serves no such requests any more, and has not answered'))
    }
  }

  async #relay(exchange: Exchange, answer: ForwardedAnswer, target: ForwardTarget): Promise<void> {
    try {
      await relayAnswer(exchange, answer)
    } catch (error) {
      if (!exchange.aborted) this.#note(exchange, target, error)
      throw exchange.response.headersSent || !isShoalError(error) ? error : this.#lost(exchange)
    }
  }

  /** Waits before another try. @throws what the client is told if there must be none */
  async #consider(exchange: Exchange, { error, sent, tries, untilMs, target }: FailedTry): Promise<void> {
    if (sent.failure !== undefined) throw sent.failure
    if (exchange.aborted || !isShoalError(error)) throw error
    this.#note(exchange, target, error)
    const isUnbegun = isNothingBegun(error)
    if (!isUnbegun && !SAFE_METHODS.has(exchange.method)) throw this.#lost(exchange)
    if (!sent.isReplayable) {
      throw unavailable(
        isUnbegun
          ? 'The node that serves this request has changed while its body was received; nothing was done: send it again'
          : 'The node that served this request was lost: send it again',
      )
    }
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (tries - 1), LONGEST_DELAY_MS)
    if (this.#options.clock.monotonicMs() + delayMs >= untilMs) throw nobodyServes()
    await this.#change(exchange, delayMs)
  }

  /** @throws UNAVAILABLE if nobody is known in time */
  async #find(exchange: Exchange, untilMs: number): Promise<'here' | ForwardTarget> {
    const { forwarding, clock } = this.#options
    for (;;) {
      const where = forwarding.decide(exchange)
      if (where !== undefined) return where
      const leftMs = untilMs - clock.monotonicMs()
      if (leftMs <= 0 || this.#waiting.size >= WAITING_MAX) throw nobodyServes()
      await this.#change(exchange, leftMs)
    }
  }

  /** Waits for the next change, for so long at most. @throws CANCELLED when the client is gone */
  async #change(exchange: Exchange, forMs: number): Promise<void> {
    const turn = new AbortController()
    this.#waiting.add(turn)
    await this.#options.clock.sleep(forMs, AbortSignal.any([exchange.signal, turn.signal])).catch(() => undefined)
    this.#waiting.delete(turn)
    exchange.signal.throwIfAborted()
  }

  #lost(exchange: Exchange): ShoalError {
    if (SAFE_METHODS.has(exchange.method))
      return unavailable('The connection to the node that serves this request was lost: send it again')
    const message =
      'The connection to the node that serves this request was lost before its answer came: it may have been carried out, or not. Look, or send it again'
    return new ShoalError('UNAVAILABLE', message, { details: { ambiguous: true } })
  }

  #note(exchange: Exchange, target: ForwardTarget, error: unknown): void {
    const { code, message } = error as ShoalError
    this.#options.log.info('forwarding failed', { requestId: exchange.id, target: target.name, code, reason: message })
  }
}

interface FailedTry {
  readonly error: unknown
  readonly sent: SentRequest
  readonly tries: number
  readonly untilMs: number
  readonly target: ForwardTarget
}

/** One that has no answer yet. */
interface Try {
  readonly exchange: Exchange
  readonly target: ForwardTarget
  giveUp(error: ShoalError): void
}

/** A request with its body, for several tries one after the other. */
class SentRequest {
  readonly #exchange: Exchange
  readonly #server: string
  readonly #body: ReplayableBody | undefined
  #attempt: BodyAttempt | undefined
  #content: Buffer | undefined
  #failure: Error | undefined

  constructor(exchange: Exchange, server: string) {
    const { lengthBytes, expectsContinue } = exchange
    const isSmall = lengthBytes !== undefined && lengthBytes <= WHOLE_BYTES_MAX && !expectsContinue
    this.#exchange = exchange
    this.#server = server
    this.#body = isSmall ? undefined : new ReplayableBody(exchange)
    this.#content = lengthBytes === 0 ? NO_BYTES : undefined
  }

  /** Lets the exchange have its body whole again. False if some of it is gone. */
  async takeBack(): Promise<boolean> {
    if (this.#body !== undefined) return this.#body.takeBack()
    if (this.#content !== undefined && this.#exchange.lengthBytes !== 0) this.#exchange.unread([this.#content])
    return true
  }

  get isReplayable(): boolean {
    return this.#body?.isReplayable !== false
  }

  /** What the body has broken off with. */
  get failure(): Error | undefined {
    return this.#failure ?? this.#body?.failure
  }

  /** The try before is over, whether its target knows it or not. */
  endTry(): void {
    void this.#attempt?.return()
  }

  async to(target: ForwardTarget): Promise<ForwardedAnswer> {
    const head = headOf(this.#exchange, this.#server)
    const { signal } = this.#exchange
    if (this.#body !== undefined) {
      this.#attempt = this.#body.attempt({ waits: head.expectsContinue })
      return target.send({ head, content: NO_BYTES, body: this.#attempt, signal })
    }
    this.#content ??= await this.#receive()
    return target.send({ head, content: this.#content, body: undefined, signal })
  }

  async #receive(): Promise<Buffer> {
    try {
      return await this.#exchange.body().collect()
    } catch (error) {
      this.#failure = error as Error
      throw error
    }
  }
}

function headOf(exchange: Exchange, server: string): RequestHead {
  const { request, id, remoteAddress, connection, expectsContinue, method } = exchange
  return {
    server,
    id,
    remoteAddress,
    isSecure: connection.isSecure,
    expectsContinue,
    httpVersion: request.httpVersion,
    method,
    target: request.url as string,
    rawHeaders: request.rawHeaders,
  }
}

/** Known by its class: what a door throws may have the same details, of a call that it made itself. */
class NotHere extends ShoalError {
  constructor() {
    super('UNAVAILABLE', 'Another node serves this request, and it was sent on once already', { details: NOTHING_BEGUN })
  }
}

function nobodyServes(): ShoalError {
  return unavailable('No node serves this request at the moment; nothing was done: send it again in a while')
}

function unavailable(message: string): ShoalError {
  return new ShoalError('UNAVAILABLE', message)
}
