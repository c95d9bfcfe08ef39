import type { WireReply } from '#wire/caller-connection.ts'
import { DELAY_MS_MAX } from '#wire/deadlines.ts'
import type { PeerAddress } from '#wire/peer-connections.ts'
import type { PeerCallOptions, WirePeers } from '#wire/peers.ts'
import { isShoalError } from '#foundation/errors.ts'
import { ALIVE_METHOD, CHANGE_METHOD, FORWARD_METHOD } from './forward-methods.ts'
import { decodeAnswerHead, encodeRequestHead, headInBody, headInHeader, packHead } from './forward-head.ts'
import { isNothingBegun, nothingBegun } from './forward-target.ts'
import type { ForwardTarget, ForwardedAnswer, ForwardedCall } from './forward-target.ts'
import type { BodyAttempt } from './replayable-body.ts'

/** Sends requests on by calls of the wire (docs/formats/forward-calls.md): to another node, or over a socket of this machine to another thread. */
export class ForwardOverWire implements ForwardTarget {
  readonly name: string
  readonly #peers: Pick<WirePeers, 'call'>
  readonly #peer: PeerAddress
  #remembers: boolean

  /** `remembers`: its node sees to it that changes are done once; found out where it is of a release that doesn't. */
  constructor(peers: Pick<WirePeers, 'call'>, peer: PeerAddress, { remembers = false }: { readonly remembers?: boolean } = {}) {
    this.#peers = peers
    this.#peer = peer
    this.#remembers = remembers
    this.name = peer.nodeId ?? `${peer.host}:${peer.port}`
  }

  get remembers(): boolean {
    return this.#remembers
  }

  async isAlive(withinMs: number): Promise<boolean> {
    try {
      await this.#peers.call(this.#peer, ALIVE_METHOD, { deadlineMs: withinMs })
      return true
    } catch (error) {
      // Any other error is a sign of life, or breaks what waits, too.
      return !isShoalError(error, 'TIMEOUT')
    }
  }

  async send({ head, content, body, signal, change }: ForwardedCall): Promise<ForwardedAnswer> {
    const method = change === undefined ? FORWARD_METHOD : CHANGE_METHOD
    const { header, inBody } = packHead(encodeRequestHead({ ...head, ...change }), content)
    let isSent = false
    const options: PeerCallOptions = {
      header,
      signal,
      // Uploads and feeds of changes take as long as they take: a peer that is gone shows by its silence.
      deadlineMs: DELAY_MS_MAX,
      onSend: () => (isSent = true),
    }
    const sent = inBody === undefined ? body : headThenBody(inBody, body ?? [content])
    try {
      const reply = await this.#peers.call(this.#peer, method, sent === undefined ? options : { ...options, body: sent })
      return await readAnswer(reply, body)
    } catch (error) {
      if (change !== undefined && isShoalError(error, 'UNSUPPORTED') && isNothingBegun(error)) this.#remembers = false
      throw isSent || !isShoalError(error) ? error : nothingBegun(error)
    }
  }
}

async function readAnswer(reply: WireReply, body: BodyAttempt | undefined): Promise<ForwardedAnswer> {
  const found = headInHeader(reply.header)
  if (found !== undefined) return { ...decodeAnswerHead(found.text), content: found.content, body: reply.body }
  // The target reads the body now, if it hasn't before.
  body?.begin()
  const { text, content } = await headInBody(reply.body)
  return { ...decodeAnswerHead(text), content: NO_BYTES, body: withFirst(content, reply.body) }
}

async function* headThenBody(head: Buffer, body: BodyAttempt | readonly Buffer[]): AsyncGenerator<Buffer> {
  yield head
  yield* body
}

function withFirst(first: Buffer, body: AsyncIterableIterator<Buffer>): AsyncIterableIterator<Buffer> {
  if (first.length === 0) return body
  let isFirst = true
  return {
    next: () => {
      if (!isFirst) return body.next()
      isFirst = false
      return Promise.resolve({ done: false, value: first })
    },
    return: async () => (await body.return?.()) ?? { done: true, value: undefined },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

const NO_BYTES = Buffer.alloc(0)
