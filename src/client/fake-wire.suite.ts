import type { IncomingMessage, ServerResponse } from 'node:http'
import { decodeName } from '#foundation/name.ts'

/** Ends the connection for good after so many bytes of the body. */
export function cutResponse(response: ServerResponse, cutAfterBytes: number): void {
  const end = response.end.bind(response)
  response.end = ((bytes?: Buffer) => {
    if (bytes === undefined || bytes.length <= cutAfterBytes) return end(bytes)
    response.write(bytes.subarray(0, cutAfterBytes), () => response.destroy())
    return response
  }) as typeof response.end
}

export function json(response: ServerResponse, code: number, value: object): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

export function decodeSegment(segment: string): string {
  const bytes = segment.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return decodeName(Buffer.from(bytes, 'latin1'))
}

export async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
