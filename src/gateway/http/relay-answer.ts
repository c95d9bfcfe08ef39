import type { Exchange } from './exchange.ts'
import type { ForwardedAnswer } from './forward-target.ts'

/** Fields that the kernel writes itself: what belongs to the connection to the client (RFC 9110, section 7.6.1), and the id, which is the same on both sides. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'x-request-id'])

/** Answers with what a target has answered. @throws what its content throws; then the client can't take what it has for complete */
export async function relayAnswer(exchange: Exchange, answer: ForwardedAnswer): Promise<void> {
  const { status, content, body } = answer
  const { headers, lengthBytes } = readFields(answer.headers)
  const isBodiless = exchange.method === 'HEAD' || status === 204 || status === 304
  if (!isBodiless && content.length === 0 && lengthBytes !== 0) {
    if (lengthBytes === undefined) await relayStream(exchange, { status, headers, body })
    else await exchange.sendStream(status, headers, { bytes: readToEnd(body, lengthBytes), lengthBytes })
    return
  }
  await body.return?.()
  if (!isBodiless) return exchange.send(status, headers, content)
  if (lengthBytes !== undefined) headers.push('Content-Length', String(lengthBytes))
  if (lengthBytes !== undefined || exchange.method !== 'HEAD') return exchange.send(status, headers)
  // The head of a stream whose length nobody knows.
  if (exchange.aborted) return
  exchange.startStream(status, headers)
  exchange.end()
}

function readFields(fields: readonly string[]): { headers: string[]; lengthBytes: number | undefined } {
  const headers: string[] = []
  let lengthBytes: number | undefined
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string
    const value = fields[at + 1] as string
    const lowerName = name.toLowerCase()
    if (lowerName === 'content-length') lengthBytes = Number(value)
    else if (!OWN_FIELDS.has(lowerName)) headers.push(name, value)
  }
  return { headers, lengthBytes }
}

async function relayStream(
  exchange: Exchange,
  { status, headers, body }: { readonly status: number; readonly headers: string[]; readonly body: AsyncIterable<Buffer> },
): Promise<void> {
  if (!exchange.aborted) exchange.startStream(status, headers)
  for await (const piece of body) {
    if (exchange.aborted) return
    if (!exchange.write(piece)) await exchange.drained()
  }
  exchange.end()
}

/** The same body. Whoever wants no more when all has come waits for its end: to give it up would tell the target that its client is gone. */
function readToEnd(body: AsyncIterableIterator<Buffer>, lengthBytes: number): AsyncIterableIterator<Buffer> {
  let leftBytes = lengthBytes
  return {
    async next() {
      const piece = await body.next()
      if (piece.done !== true) leftBytes -= piece.value.length
      return piece
    },
    async return() {
      if (leftBytes === 0) await body.next()
      await body.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
