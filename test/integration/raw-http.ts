// HTTP as bytes on a socket, so that a test can send what no client would, and sees all that comes back.

import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { AUTHORIZATION } from '../support/node-process.ts'

export interface RawAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

/** What is sent in turn: bytes, or a pause in ms. */
export type Wire = readonly (Buffer | string | number)[]

export interface RequestParts {
  /** `undefined` leaves the header out, even one that would be there by itself. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: Buffer | string
  readonly version?: string
}

const ANSWER_WITHIN_MS = 15_000
/** How long to look for bytes that follow an answer although nothing more was asked for. */
const AFTERMATH_MS = 150

/** A request as it should be, but for what `parts` says. The target goes out as it is, one byte for each character. */
export function request(method: string, target: string, parts: RequestParts = {}): Buffer {
  const { body = '', version = 'HTTP/1.1' } = parts
  const bytes = Buffer.from(body)
  const headers: Record<string, string | undefined> = {
    Host: 'localhost',
    Authorization: AUTHORIZATION,
    Connection: 'close',
    ...(bytes.length > 0 ? { 'Content-Length': String(bytes.length) } : {}),
    ...parts.headers,
  }
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\r\n`]))
  return Buffer.concat([Buffer.from(`${method} ${target} ${version}\r\n${lines.join('')}\r\n`, 'latin1'), bytes])
}

/** Sends, and gives all final answers that come until the connection ends, or stays silent after the first one.
 *  `halfClose` ends the sending side when everything is out. */
export async function exchange(port: number, wire: Wire, { halfClose = false } = {}): Promise<RawAnswer[]> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let received = Buffer.alloc(0)
  const answered = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  const over = Promise.race([answered.promise, ended.promise])
  // A reset is an end like any other: what came before it counts.
  for (const event of ['error', 'end', 'close'] as const) socket.on(event, () => ended.resolve())
  socket.on('data', (piece: Buffer) => {
    received = Buffer.concat([received, piece])
    if (parseAnswers(received).length > 0) answered.resolve()
  })
  try {
    await Promise.race([over, sendAll(socket, wire)])
    if (halfClose) socket.end()
    await Promise.race([over, delay(ANSWER_WITHIN_MS, undefined, { ref: false })])
    await Promise.race([ended.promise, delay(AFTERMATH_MS)])
    return parseAnswers(received)
  } finally {
    socket.destroy()
  }
}

async function sendAll(socket: Socket, wire: Wire): Promise<void> {
  for (const piece of wire) {
    if (typeof piece === 'number') await delay(piece, undefined, { ref: false })
    else if (!socket.destroyed) socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
  }
}

/** The complete answers in `bytes`, but for interim ones (100 Continue). */
function parseAnswers(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = []
  for (let rest = bytes; ;) {
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) return answers
    const [statusLine = '', ...lines] = rest.toString('latin1', 0, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1])
    if (Number.isNaN(status)) throw new Error(`This is no answer: ${JSON.stringify(statusLine)}`)
    rest = rest.subarray(end + 4)
    if (status === 100) continue
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const cut =
      headers.get('transfer-encoding') === 'chunked' ? unchunk(rest) : counted(rest, Number(headers.get('content-length') ?? 0))
    if (cut === undefined) return answers
    answers.push({ status, headers, body: cut.body })
    rest = cut.rest
  }
}

function counted(rest: Buffer, length: number): { body: Buffer; rest: Buffer } | undefined {
  return rest.length < length ? undefined : { body: rest.subarray(0, length), rest: rest.subarray(length) }
}

function unchunk(bytes: Buffer): { body: Buffer; rest: Buffer } | undefined {
  const pieces: Buffer[] = []
  for (let rest = bytes; ;) {
    const end = rest.indexOf('\r\n')
    if (end < 0) return undefined
    const length = Number.parseInt(rest.toString('latin1', 0, end), 16)
    if (rest.length < end + 2 + length + 2) return undefined
    pieces.push(rest.subarray(end + 2, end + 2 + length))
    rest = rest.subarray(end + 2 + length + 2)
    if (length === 0) return { body: Buffer.concat(pieces), rest }
  }
}
