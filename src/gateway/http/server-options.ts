import type { ServerOptions } from 'node:http'
import { KernelRequest, KernelResponse } from './kernel-messages.ts'
import type { HttpLimits } from './limits.ts'

/** What node:http is told; the rest of the limits is watched over by the kernel. */
export function serverOptions(limits: HttpLimits): ServerOptions<typeof KernelRequest, typeof KernelResponse> {
  return {
    IncomingMessage: KernelRequest,
    ServerResponse: KernelResponse,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    // Uploads take as long as they take; `#sweep` finds the senders that stall.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.max(50, Math.min(1000, limits.headersTimeoutMs / 4)),
    // A time-out of its own for kept connections would be set and taken back for every request: `#sweep` finds them.
    keepAliveTimeout: 0,
    noDelay: true,
    keepAlive: true,
    // A request without a body has ended when it comes: its stream says nothing, and nobody here listens to it (`Exchange.body`).
    optimizeEmptyRequests: true,
    // `#begin` looks itself, and answers with a document.
    requireHostHeader: false,
    // A header that has no business being sent twice becomes a wrong one, instead of the first one winning.
    joinDuplicateHeaders: true,
    insecureHTTPParser: false,
  }
}
