import { ROOT } from '#access/principal.ts'
import type { PrincipalKey } from '#access/principal.ts'
import { loadConfig } from '#config/load-config.ts'
import type { Config } from '#config/settings.ts'

export const ROOT_KEY: PrincipalKey = {
  accessKey: 'ROOT',
  secretKey: 'a secret of forty characters aaaaaaaaaaaa',
  principal: ROOT,
}

/** For how long garbage is kept: longer than clocks are apart, and a write takes. */
export const GRACE_MS = 2_000

/** For how long an upload in parts may take. */
export const UPLOAD_MS = 4_000

/** Shorter than a node's own times, in the same proportions: a run lasts seconds. */
export const TIMING = {
  limits: { replaceAfterMs: 500, writeMs: 3_000, readMs: 2_000, callMs: 1_000 },
  layouts: { graceMs: 2_000, partitionBits: 6 },
  tracker: {
    pollMs: 200,
    retryMs: 500,
    saveMs: 300,
    fenceMs: 1_000,
    holdOffMs: 3_000,
    repairEveryMs: 2_000,
    rebalanceEveryMs: 8_000,
    collectEveryMs: 5_000,
    trimEveryMs: 4_000,
    scrubPeriodMs: 8_000,
    trimGraceMs: 2_000,
  },
} as const

let loaded: Promise<Config> | undefined

/** What all nodes are started with. */
export async function simulatedConfig(): Promise<Config> {
  loaded ??= loadConfig({ flags: { data: '/data' }, env: {}, cwd: '/', files: { read: async () => undefined } }).then(
    ({ config }) => ({
      ...config,
      capacity: 1e12,
      changes: { ...config.changes, ringEntries: 10_000 },
      uploads: { ...config.uploads, expiryMs: UPLOAD_MS },
      gc: { ...config.gc, graceMs: GRACE_MS, intervalMs: 1_000, sweepIntervalMs: 5_000 },
      limits: { ...config.limits, writeBufferBytes: 16 * 1024 * 1024 },
    }),
  )
  return loaded
}
