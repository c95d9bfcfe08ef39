import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Exchange } from './exchange.ts'
import { KernelRequest, KernelResponse } from './kernel-messages.ts'

interface Outcome {
  readonly head?: string
  readonly isLast?: boolean
  readonly failure?: string | undefined
}

const exchange = { kernel: { clock: { nowMs: () => Date.now() } } } as unknown as Exchange

function outcomeOf(
  response: ServerResponse,
  { status, headers, isKept }: { status: number; headers: readonly string[]; isKept: boolean },
): Outcome {
  response.shouldKeepAlive = isKept
  try {
    response.writeHead(status, [...headers])
  } catch (error) {
    return { failure: (error as NodeJS.ErrnoException).code }
  }
  const { _header: head, _last: isLast } = response as unknown as { _header: string; _last: boolean }
  // Between the two a second may begin.
  return { head: head.replace(/\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/, '\r\nDate: now\r\n'), isLast }
}

const NAMES = ['ETag', 'x-amz-meta-a', 'Content-Type', 'Content-Length', 'content-length', 'Connection', 'connection', 'Keep-Alive', 'Date', 'Trailer', 'Expect', 'Transfer-Encoding', 'Content-Disposition', 'Upgrade', 'a b', '', 'a\r\nb', 'ü'] // prettier-ignore
const VALUES = ['"1"', '17', '0', 'close', 'keep-alive', '', 'a\tb', 'é', '€', 'a\r\nX-Injected: 1', 'a\nb', '\0', 'chunked', '100-continue'] // prettier-ignore

test('a head is the same byte for byte as node:http writes it, and refused where it refuses it', () => {
  const field = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom(['ETag', '"1"'], ['Content-Length', '17'], ['Connection', 'close'], ['X-Request-Id', 'é']),
    },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES)) },
  )
  const status = fc.constantFrom(200, 206, 204, 304, 404, 503)
  let own = 0
  let refused = 0
  fc.assert(
    fc.property(status, fc.array(field, { maxLength: 6 }), fc.boolean(), fc.boolean(), (code, fields, isKept, isHead) => {
      const head = { status: code, headers: fields.flat(), isKept }
      const request = new KernelRequest(new Socket())
      request.method = isHead ? 'HEAD' : 'GET'
      const response = new KernelResponse(request)
      response.exchange = exchange
      const plainRequest = new IncomingMessage(new Socket())
      plainRequest.method = request.method
      const got = outcomeOf(response, head)
      assert.deepEqual(got, outcomeOf(new ServerResponse(plainRequest), head))
      if (got.failure !== undefined) refused += 1
      else if (/Content-Length/.test(got.head as string)) own += 1
    }),
    { numRuns: 2_000 },
  )
  assert.ok(own > 300 && refused > 100, `${own} with a length, ${refused} refused`)
})
