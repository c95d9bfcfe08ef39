// node:http's request and response with the way back to what the kernel knows of them: listeners are shared functions then, rather than closures made for
// each request.

import { IncomingMessage, ServerResponse } from 'node:http'
import type { Exchange } from './exchange.ts'
import { formatHttpDate } from './http-date.ts'
import { fieldLines } from './response-head.ts'

export class KernelRequest extends IncomingMessage {
  exchange: Exchange | undefined = undefined
}

/** Of node:http's response, what `writeHead` leaves to `_storeHeader`. */
interface HeadKeeper {
  _header: string | null
  _headerSent: boolean
  _contentLength: number | null
  _last: boolean
  _storeHeader(firstLine: string, headers: unknown): void
}

const { _storeHeader: storeHeader } = ServerResponse.prototype as unknown as HeadKeeper

export class KernelResponse extends ServerResponse<KernelRequest> {
  exchange: Exchange | undefined = undefined

  /** node:http's `writeHead` calls it with a status line and what it was given. It judges each name and value of a head by itself, for every answer:
   *  the heads of whole answers are put together here, with the same bytes (kernel-messages.test.ts compares them). */
  _storeHeader(firstLine: string, headers: unknown): void {
    const keeper = this as unknown as HeadKeeper
    const fields = this.exchange !== undefined && isFlat(headers) ? fieldLines(headers) : undefined
    if (this.exchange === undefined || fields === undefined) return storeHeader.call(keeper, firstLine, headers)
    const isKept = this.shouldKeepAlive && !fields.closes
    if (!isKept) keeper._last = true
    const date = formatHttpDate(this.exchange.kernel.clock.nowMs())
    const connection = fields.closes ? '' : `Connection: ${isKept ? 'keep-alive' : 'close'}\r\n`
    keeper._contentLength = Number(fields.length)
    keeper._header = `${firstLine}${fields.lines}Date: ${date}\r\n${connection}\r\n`
    keeper._headerSent = false
  }
}

function isFlat(headers: unknown): headers is readonly string[] {
  return Array.isArray(headers) && headers.length % 2 === 0 && typeof headers[0] === 'string'
}
