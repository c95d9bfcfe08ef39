import type { Credentials } from '#access/principal.ts'
import type { Config } from '#config/settings.ts'
import type { TlsPair } from '#gateway/http/tls-material.ts'
import type { LogLine } from '#observe/relayed-log.ts'
import type { CountedMetrics } from '#observe/prom-metrics.ts'
import type { WireIdentity } from '#wire/server.ts'

/** What a reader thread is started with. */
export interface ReaderStart {
  /** From 1 on; 0 is the thread that writes. */
  readonly number: number
  readonly config: Config
  /** Absolute. */
  readonly dataPath: string
  readonly credentials: Credentials
  readonly identity: WireIdentity
  readonly tls: TlsPair | undefined
  /** Where S3 is. */
  readonly address: { readonly host: string; readonly port: number }
  /** Where the thread that writes takes requests. */
  readonly socketPath: string
  readonly memory: {
    readonly signals: SharedArrayBuffer
    readonly volumesStamp: SharedArrayBuffer
    readonly keysStamp: SharedArrayBuffer
    readonly shares: SharedArrayBuffer
  }
}

/** From the thread that writes. */
export type ToReader =
  | { readonly kind: 'tls'; readonly pair: TlsPair }
  /** How many threads listen by now. */
  | { readonly kind: 'listening'; readonly count: number }
  | { readonly kind: 'count' }
  | { readonly kind: 'stop'; readonly graceMs: number }

export type FromReader =
  | { readonly kind: 'ready' }
  | { readonly kind: 'log'; readonly line: LogLine }
  | { readonly kind: 'counted'; readonly metrics: CountedMetrics }
