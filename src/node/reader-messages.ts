import type { Credentials } from '#access/principal.ts'
import type { PackPlace } from '#chunk/pack-reader.ts'
import type { Config } from '#config/settings.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { TlsPair } from '#gateway/http/tls-material.ts'
import type { LogLine } from '#observe/relayed-log.ts'
import type { CountedMetrics } from '#observe/prom-metrics.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import type { WireIdentity } from '#wire/server.ts'

/** The servers whose ports the threads share. */
export const SERVERS = ['s3', 'base'] as const
export type ServerName = (typeof SERVERS)[number]

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
  readonly addresses: Readonly<Record<ServerName, { readonly host: string; readonly port: number }>>
  /** Where the thread that writes takes requests. */
  readonly socketPath: string
  /** Each of `READ_BUFFER_BYTES`. */
  readonly readBuffersKept: number
  readonly memory: {
    readonly signals: SharedArrayBuffer
    readonly volumesStamp: SharedArrayBuffer
    readonly keysStamp: SharedArrayBuffer
    /** What threads are reading. */
    readonly pins: SharedArrayBuffer
    readonly shares: Readonly<Record<ServerName, SharedArrayBuffer>>
  }
}

/** From the thread that writes. */
export type ToReader =
  | { readonly kind: 'tls'; readonly pair: TlsPair }
  /** How many threads listen by now. */
  | { readonly kind: 'listening'; readonly count: number }
  | { readonly kind: 'count' }
  /** Of the chunks that were asked for. */
  | { readonly kind: 'places'; readonly places: readonly (PackPlace | undefined)[] }
  | { readonly kind: 'settled'; readonly question: number; readonly isSettled: boolean }
  | { readonly kind: 'stop'; readonly graceMs: number }

export type FromReader =
  | { readonly kind: 'ready' }
  | { readonly kind: 'places'; readonly chunks: readonly ChunkId[] }
  | { readonly kind: 'settle'; readonly question: number; readonly volume: Parameters<StrongVolumes['settle']>[0] }
  | { readonly kind: 'log'; readonly line: LogLine }
  | { readonly kind: 'counted'; readonly metrics: CountedMetrics }
