import { isShoalError, LEADERLESS, ShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { NOTHING_BEGUN } from '#wire/methods.ts'
import type { Door } from './door.ts'
import type { Exchange } from './exchange.ts'
import { isNothingBegun } from './forward-target.ts'
import type { ForwardTarget, ForwardedAnswer } from './forward-target.ts'
import { ForwardedResponse } from './forwarded-response.ts'
import { relayAnswer } from './relay-answer.ts'
import { LOST_CHANGE } from './request-mark.ts'
import type { ForwardedChange } from './request-mark.ts'
import { SentRequest } from './sent-request.ts'
import { TargetWatch } from './target-watch.ts'
import type { WatchedTry } from './target-watch.ts'
import type { UnderWay } from './under-way.ts'

/** Who serves requests. */
export interface Forwarding {
  /** `here`; or where to; or `undefined` while nobody knows. Cheap: it is asked for each request, and must not read its body. What it throws is the answer. */
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

/** Within it another leader is elected after one has died, nearly always (3 s), and clients don't give up yet. */
const PATIENCE_MS = 5_000
/** Requests that wait for somebody to lead; further ones are told to come again at once. */
const WAITING_MAX = 1_000
/** A node that hands over ends what it was sent before within it; one that is cut off never answers, and shows it only by its silence. */
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
 *  * after the connection broke while it was being worked on, or the target has lost its leadership meanwhile, if its method is safe (GET, HEAD, OPTIONS, PROPFIND);
 *  * then also, for up to 5 s more, if it is a change whose result the target's doors remember (`Door.remembers`): then it is done once (docs/adr/0021-results-are-remembered.md).
 *    With a longer body it is asked instead what became of it: its answer, if it was done, or else that it won't be any more, and the client is to send it again.
 *
 *  Any other PUT or DELETE may have been done by then, and once another client has seen that and gone on, doing it again undoes what that one did: idempotent (RFC 9110, section 9.2.2) is not
 *  enough where reads are linearizable. The client is told UNAVAILABLE (503, `Retry-After`), that it may have been done (`ambiguous`), and decides for itself.
 *  A node that others have taken over from counts as lost when it hasn't answered 3 s later; any other that gives no sign of life after 4 to 6 s (`TargetWatch`).
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
  readonly #watch: TargetWatch
  /** Ends the wait for former leaders when nothing waits for one any more. */
  #answered: AbortController | undefined

  constructor(options: ForwardingDoorOptions) {
    this.#options = options
    this.name = options.door.name
    this.#watch = new TargetWatch(this.#tries, options.clock)
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
    const { response } = exchange
    if (response instanceof ForwardedResponse && !response.headersSent) {
      if (error instanceof NotHere) return response.refuse(error)
      if (this.#isForNextLeader(exchange, error)) return response.refuse(unavailable(error.message))
    }
    this.#options.door.fail(exchange, error)
  }

  /** Whether another node may be able to answer it, or say what became of it: whoever has sent it on asks that one. */
  #isForNextLeader(exchange: Exchange, error: ShoalError): boolean {
    const { change } = exchange
    if (error.code !== 'UNAVAILABLE' || error instanceof NotRemembered || !(isSafe(exchange) || change !== undefined))
      return false
    const isUnknown = error.details['ambiguous'] === true && change?.isQuestion !== true
    return isUnknown || this.#options.forwarding.decide(exchange) !== 'here'
  }

  #serve(exchange: Exchange): void | Promise<void> {
    const { door, servedHere } = this.#options
    // A node of another release may think otherwise of it.
    if (exchange.change?.isRepeat === true && door.remembers?.(exchange) !== true) throw new NotRemembered()
    const serving = door.handle(exchange)
    const over = serving === undefined ? undefined : servedHere?.begin()
    if (over !== undefined) void serving?.then(over, over)
    return serving
  }

  async #forward(exchange: Exchange): Promise<void> {
    const { clock, server, door } = this.#options
    const isConversation = door.isConversation?.(exchange) === true
    // Its answer may end before it.
    if (isConversation) exchange.mustClose = true
    const sent = new SentRequest(exchange, server, { isConversation })
    const isRemembered = !isSafe(exchange) && door.remembers?.(exchange) === true
    const going: Going = { exchange, sent, isRemembered, mayBeDone: false, tries: 0, untilMs: clock.monotonicMs() + PATIENCE_MS }
    for (;;) {
      const where = await this.#find(going)
      if (where === 'here') return this.#takeBack(going)
      if (going.mayBeDone && where.remembers !== true) throw lost(exchange)
      going.tries += 1
      try {
        return await relayAnswer(exchange, await this.#try(going, where))
      } catch (error) {
        if (exchange.response.headersSent) {
          if (!exchange.aborted) this.#note(exchange, where, error)
          throw error
        }
        await this.#consider(going, where, error)
      }
    }
  }

  /** This node serves it by now. */
  async #takeBack({ exchange, sent, mayBeDone }: Going): Promise<void> {
    const isWhole = await sent.takeBack()
    if (!isWhole && !mayBeDone) throw unavailable('This node has only just begun to serve such requests: send it again')
    if (mayBeDone) exchange.change = { isRepeat: true, isQuestion: !isWhole }
    return this.#serve(exchange)
  }

  /** The answer, unless the target is found not to serve such requests any more and doesn't give one. */
  async #try({ exchange, sent, isRemembered, mayBeDone }: Going, target: ForwardTarget): Promise<ForwardedAnswer> {
    const given = Promise.withResolvers<ForwardedAnswer>()
    const one: Try = { exchange, target, giveUp: given.reject }
    this.#tries.add(one)
    this.#watch.begin()
    const change: ForwardedChange = { isRepeat: mayBeDone, isQuestion: mayBeDone && !sent.isReplayable }
    const answering = sent.to(target, isRemembered && target.remembers === true ? change : undefined)
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

  /** Waits before another try. @throws what the client is told if there must be none */
  async #consider(going: Going, target: ForwardTarget, error: unknown): Promise<void> {
    const { exchange, sent } = going
    if (sent.failure !== undefined) throw sent.failure
    if (exchange.aborted || !isShoalError(error)) throw error
    this.#note(exchange, target, error)
    const { clock } = this.#options
    const isUnbegun = isNothingBegun(error)
    if (!isUnbegun && !isSafe(exchange)) {
      if (!going.isRemembered || target.remembers !== true) throw lost(exchange)
      // Another one may be elected only now.
      if (!going.mayBeDone) going.untilMs = clock.monotonicMs() + PATIENCE_MS
      going.mayBeDone = true
    }
    if (!sent.isReplayable && !going.mayBeDone) {
      throw unavailable(
        isUnbegun
          ? 'The node that serves this request has changed while its body was received; nothing was done: send it again'
          : 'The node that served this request was lost: send it again',
      )
    }
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (going.tries - 1), LONGEST_DELAY_MS)
    if (clock.monotonicMs() + delayMs >= going.untilMs) throw nobodyServes(going)
    await this.#change(exchange, delayMs)
  }

  /** @throws UNAVAILABLE if nobody is known in time */
  async #find(going: Going): Promise<'here' | ForwardTarget> {
    const { forwarding, clock } = this.#options
    for (;;) {
      const where = forwarding.decide(going.exchange)
      if (where !== undefined) return where
      const leftMs = going.untilMs - clock.monotonicMs()
      if (leftMs <= 0 || this.#waiting.size >= WAITING_MAX) throw nobodyLeads(going)
      await this.#change(going.exchange, leftMs)
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

  #note(exchange: Exchange, target: ForwardTarget, error: unknown): void {
    const { code, message } = error as ShoalError
    this.#options.log.info('forwarding failed', { requestId: exchange.id, target: target.name, code, reason: message })
  }
}

/** A request on its way. */
interface Going {
  readonly exchange: Exchange
  readonly sent: SentRequest
  /** It is a change whose result this release remembers. */
  readonly isRemembered: boolean
  /** A try of it has got no answer. */
  mayBeDone: boolean
  tries: number
  untilMs: number
}

/** One that has no answer yet. */
interface Try extends WatchedTry {
  readonly exchange: Exchange
}

/** Known by its class: what a door throws may have the same details, of a call that it made itself. */
class NotHere extends ShoalError {
  constructor() {
    super('UNAVAILABLE', 'Another node serves this request, and it was sent on once already', { details: NOTHING_BEGUN })
  }
}

/** Asking again would give the same. */
class NotRemembered extends ShoalError {
  constructor() {
    super('UNAVAILABLE', LOST_CHANGE, { details: { ambiguous: true } })
  }
}

function nobodyServes({ exchange, mayBeDone }: Going): ShoalError {
  if (mayBeDone) return lost(exchange)
  return unavailable(
    "The node that serves this request can't be reached from this one at the moment; nothing was done: send it again in a while, or to another node",
  )
}

function nobodyLeads({ exchange, mayBeDone }: Going): ShoalError {
  if (mayBeDone) return lost(exchange)
  const message = 'No node leads the metadata at the moment; nothing was done: send it again in a while'
  return new ShoalError('UNAVAILABLE', message, { details: LEADERLESS })
}

function lost(exchange: Exchange): ShoalError {
  if (isSafe(exchange)) return unavailable('The connection to the node that serves this request was lost: send it again')
  return new ShoalError('UNAVAILABLE', LOST_CHANGE, { details: { ambiguous: true } })
}

function isSafe({ method }: Exchange): boolean {
  return SAFE_METHODS.has(method)
}

function unavailable(message: string): ShoalError {
  return new ShoalError('UNAVAILABLE', message)
}
