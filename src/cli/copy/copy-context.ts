import type { ShoalClient } from '#client/shoal-client.ts'
import type { CopyReport } from './copy-report.ts'
import type { StaleParts } from './stale-parts.ts'

/** What every part of a copy needs. */
export interface CopyContext {
  readonly client: ShoalClient
  readonly report: CopyReport
  /** In the names of temporary files: no other run has the same. */
  readonly runId: string
  readonly staleParts: StaleParts
  readonly settings: CopySettings
  /** The folder for what later runs need to go on. */
  readonly stateFolder: string
}

export interface CopySettings {
  readonly recursive: boolean
  /** Follow symbolic links instead of copying them. */
  readonly follow: boolean
  /** Leave out what is there unchanged. */
  readonly update: boolean
  /** Go on with an unfinished upload of the same path, whoever began it. */
  readonly resume: boolean
  /** Unchanged means the same SHA-256, not the same size and time. */
  readonly checksum: boolean
  readonly verify: boolean
  /** Files on their way at once. */
  readonly parallel: number
}
