// Requests that are signed before they are sent, as wrk sends them: in the address, or in headers as SDKs sign.

import { hash } from 'node:crypto'
import type { Client } from 'minio'
import { signV4 } from 'minio/dist/esm/signing.mjs'
import { ACCESS_KEY, BUCKET, REGION, SECRET_KEY } from './server.ts'

/** Where a signature is. In headers it counts for 15 minutes at most. */
export type SignedIn = 'address' | 'headers'

export interface SignedRequest {
  readonly method: 'GET' | 'PUT'
  readonly url: string
  /** Beside Host and Content-Length. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Of presigned addresses. */
const VALID_S = 3_600
/** What SDKs call themselves is about as long. */
const AGENT = 'MinIO (linux; amd64) minio-go/v7.3.0 bench-peers'

/** Signed by the client's own program, at the present time. */
export async function signRequest(
  client: Client,
  { method, key, body, signedIn }: Pick<SignedRequest, 'method' | 'body'> & { readonly key: string; readonly signedIn: SignedIn },
): Promise<SignedRequest> {
  const url = await client.presignedUrl(method, BUCKET, key, VALID_S)
  if (signedIn === 'address') return { method, url, headers: {}, body }
  const { origin, host, pathname: path } = new URL(url)
  return { method, url: `${origin}${path}`, headers: signHeaders({ method, host, path, body, now: new Date() }), body }
}

/** What an SDK sends beside Host and Content-Length. */
export function signHeaders(request: {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly body: string
  readonly now: Date
}): Record<string, string> {
  const { method, host, path, body, now } = request
  const sha256 = hash('sha256', body)
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, '')
  const signed = { host, 'x-amz-content-sha256': sha256, 'x-amz-date': time }
  const authorization = signV4({ protocol: 'http:', method, path, headers: signed }, ACCESS_KEY, SECRET_KEY, REGION, now, sha256)
  return { 'User-Agent': AGENT, Authorization: authorization, 'X-Amz-Content-Sha256': sha256, 'X-Amz-Date': time }
}

/** The whole request as it goes over the wire. */
export function messageOf({ method, url, headers, body }: SignedRequest): string {
  const { host, pathname, search } = new URL(url)
  const lines = [
    `${method} ${pathname}${search} HTTP/1.1`,
    `Host: ${host}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(method === 'PUT' ? [`Content-Length: ${Buffer.byteLength(body)}`] : []),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}
