import { z } from 'zod'
import { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { RequestBody } from '#gateway/http/request-body.ts'
import { FeedQuestions } from '#volume/feed-questions.ts'
import { ChangeLines } from './change-lines.ts'
import { readQuery } from './read-request.ts'
import type { RestContext, Route } from './route.ts'
import { ChangeSchema } from './schemas.ts'
import { volumeNotFound } from './show-volume.ts'

/** Digits of a question, which stays exact as a number. */
const QUESTION = /^\d{1,15}$/
const QUESTION_BYTES_MAX = 15

const QuerySchema = z.strictObject({
  cursor: z.string().min(1).optional().meta({ description: 'Of the last change seen; from now on without it' }),
  volume: z.string().min(1).optional().meta({ description: 'Changes of this volume only' }),
})

export const askChanges: Route = {
  operation: 'askChanges',
  method: 'POST',
  path: '/api/v1/changes',
  summary:
    'Follows what changes, and answers each line of the body, a number, by a line {"heard":number} behind all that had been acknowledged when it was read. Not for eventual volumes',
  isConversation: true,
  query: QuerySchema,
  body: { contentType: 'text/plain' },
  responses: {
    200: { description: 'Lines of JSON', contentType: 'application/x-ndjson', schema: ChangeSchema },
  },
  errors: ['VOLUME_NOT_FOUND', 'CURSOR_TOO_OLD', 'UNSUPPORTED', 'INCOMPLETE_BODY', 'TOO_LARGE', 'TIMEOUT'],
  async handle(exchange, rest) {
    const { cursor, volume } = readQuery(exchange, QuerySchema)
    if (volume !== undefined && (await rest.volumes.find(volume)) === undefined) throw volumeNotFound(volume)
    const from = cursor ?? (await rest.volumes.currentCursor(volume))
    const over = new AbortController()
    const questions = new FeedQuestions()
    const changes = rest.volumes.askedChanges({
      cursor: from,
      signal: AbortSignal.any([exchange.signal, rest.stopping, over.signal]),
      questions,
      ...(volume === undefined ? {} : { volume }),
    })
    // Who has begun to ask may be in the middle of a question when the answer ends.
    exchange.mustClose = true
    const lines = new ChangeLines(exchange, rest, { from, changes })
    const body = exchange.body(undefined, { isTimed: false })
    const reading = readQuestions(body, { exchange, rest, ask: (question) => questions.ask(question) })
    reading.then(
      () => questions.end(),
      (error: unknown) => {
        lines.failure = error
        over.abort()
      },
    )
    try {
      await lines.run()
    } finally {
      void Promise.resolve(changes.return?.()).catch(() => undefined)
    }
  },
}

interface Asking {
  readonly exchange: Exchange
  readonly rest: RestContext
  readonly ask: (question: number) => void
}

/** Each question is a request of its own, as far as it matters who may ask. @throws INVALID_ARGUMENT, UNAUTHENTICATED */
async function readQuestions(body: RequestBody, { exchange, rest, ask }: Asking): Promise<void> {
  const { authorization } = exchange.headers
  let begun = ''
  for await (const piece of body) {
    const text = begun + piece.toString('latin1')
    const end = text.lastIndexOf('\n')
    begun = text.slice(end + 1)
    if (begun.length > QUESTION_BYTES_MAX) throw noQuestion(begun)
    if (end === -1) continue
    const newest = text.slice(text.lastIndexOf('\n', end - 1) + 1, end)
    if (!QUESTION.test(newest)) throw noQuestion(newest)
    if (rest.authenticator.verify(authorization) === undefined)
      await rest.authenticator.refuse(authorization, exchange.remoteAddress)
    ask(Number(newest))
  }
}

function noQuestion(text: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `"${text.slice(0, 40)}" is no question: a number of up to 15 digits on a line is one`)
}
