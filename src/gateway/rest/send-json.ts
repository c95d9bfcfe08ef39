import type { Exchange } from '#gateway/http/exchange.ts'

export function sendJson(exchange: Exchange, status: number, value: unknown, headers: string[] = []): void {
  headers.push('Content-Type', 'application/json')
  exchange.send(status, headers, JSON.stringify(value))
}
