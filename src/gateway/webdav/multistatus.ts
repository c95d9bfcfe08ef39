import type { Exchange } from '#gateway/http/exchange.ts'
import { XML_DECLARATION, XmlWriter } from '#gateway/xml/write-xml.ts'

export const XML_TYPE = 'application/xml; charset=utf-8'

/** A document of RFC 4918, section 13, sent as it is made: however many responses it has, few are in memory. */
export class Multistatus {
  readonly #exchange: Exchange

  constructor(exchange: Exchange, headers: readonly string[] = []) {
    this.#exchange = exchange
    exchange.startStream(207, ['Content-Type', XML_TYPE, ...headers])
    exchange.write(`${XML_DECLARATION}<D:multistatus xmlns:D="DAV:">\n`)
  }

  /** Resolves when the reader has room for more. @throws CANCELLED */
  write(responses: readonly string[]): Promise<void> | undefined {
    if (responses.length === 0 || this.#exchange.write(responses.join(''))) return undefined
    return this.#exchange.drained()
  }

  end(): void {
    this.#exchange.end('</D:multistatus>\n')
  }
}

/** One `response` element; `fill` writes what is in it behind the href. */
export function responseText(href: string, fill: (writer: XmlWriter) => void): string {
  const writer = new XmlWriter('D:response').leaf('D:href', href)
  fill(writer)
  return `${writer.finish().slice(XML_DECLARATION.length)}\n`
}

export function writeStatus(writer: XmlWriter, status: 200 | 403 | 404 | 423 | 424 | 507): void {
  writer.leaf('D:status', `HTTP/1.1 ${status} ${REASONS[status]}`)
}

const REASONS = {
  200: 'OK',
  403: 'Forbidden',
  404: 'Not Found',
  423: 'Locked',
  424: 'Failed Dependency',
  507: 'Insufficient Storage',
} as const
