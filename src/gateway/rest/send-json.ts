import type { Exchange } from '#gateway/http/exchange.ts'

export function sendJson(exchange: Exchange, status: number, value: unknown, headers: string[] = []): void {
  sendJsonText(exchange, status, JSON.stringify(value), headers)
}

export function sendJsonText(exchange: Exchange, status: number, text: string, headers: string[] = []): void {
  headers.push('Content-Type', 'application/json')
  exchange.send(status, headers, text)
}
