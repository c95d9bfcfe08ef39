import type { TlsPair } from '#gateway/http/tls-material.ts'

/** Where a node's certificate comes from. */
export interface PairSource {
  readonly origin: 'configured' | 'self-signed'
  /** How often it is worth looking whether there is another pair. */
  readonly intervalMs: number
  /** The pair as it is now, not yet inspected. @throws INVALID_ARGUMENT, STORAGE_FAILED, NO_SPACE */
  load(): Promise<TlsPair>
}
