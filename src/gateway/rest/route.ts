import type { z } from 'zod'
import type { BasicAuthenticator } from '#access/basic-authenticator.ts'
import type { Keyring } from '#access/keyring.ts'
import type { ErrorCode, ShoalError } from '#foundation/errors.ts'
import type { RequestMark } from '#foundation/request-mark.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { HttpMetrics } from '#gateway/http/http-metrics.ts'
import type { ClassDesk } from '#system/class-desk.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { FsckEvent, FsckOptions } from '#volume/fsck.ts'
import type { Volumes } from '#volume/volume.ts'
import type { BodyGate } from '#gateway/http/body-gate.ts'
import type { BackupSource } from './backup-source.ts'
import type { ClusterAdmin } from './cluster-admin.ts'
import type { HandedFiles } from './handed-files.ts'
import type { StatusDocument } from './schemas.ts'
import type { TrackerAdmin } from './tracker-admin.ts'

export type NodeState = 'starting' | 'serving' | 'draining' | 'storage-failed'

/** What the REST door needs of the node. */
export interface RestServices {
  readonly volumes: Volumes
  readonly authenticator: BasicAuthenticator
  readonly keyring: Keyring
  readonly cluster: ClusterAdmin
  readonly classes: ClassDesk
  /** `undefined` on a node that has none. */
  readonly tracker?: TrackerAdmin | undefined
  /** `undefined` on a node that has none. */
  readonly backup?: BackupSource | undefined
  /** Where programs of this machine hand files over; `undefined` where they can't. */
  readonly handed?: HandedFiles | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  readonly httpMetrics: HttpMetrics
  readonly limits: RestLimits
  /** Aborts when the node begins to stop: streams that only end with their client end then. */
  readonly stopping: AbortSignal
  /** Whether results of changes of a volume are remembered; they are, where there is no such method. */
  remembers?(volume: string): boolean
  /** What is to be told of a request that has failed, and may have come before; the same where there is none. */
  settleRequest?(volume: string, request: RequestMark, error: ShoalError): Promise<ShoalError>
  state(): NodeState
  status(): Promise<StatusDocument>
  fsck(options: FsckOptions): AsyncIterable<FsckEvent>
}

export interface RestLimits {
  readonly maxBodyBytes: number
  /** Bodies that don't fit into `SMALL_BODY_BYTES` received at once. */
  readonly maxConcurrentUploads: number
}

export interface RestContext extends RestServices {
  readonly uploads: BodyGate
  readonly openApi: () => string
}

export interface RouteBody {
  readonly contentType: string
  readonly schema?: z.ZodType
  readonly required?: boolean
}

export interface RouteResponse {
  readonly description: string
  /** `application/json` with a schema, unless said otherwise. */
  readonly contentType?: string
  readonly schema?: z.ZodType
}

/** One request of the interface: what it takes and answers, and the function that does it. The OpenAPI document is made
 *  from these. */
export interface Route {
  readonly operation: string
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  /** `{name}` is one segment, `{name*}` at the end all the rest. */
  readonly path: string
  readonly summary: string
  /** Answers without authentication. */
  readonly open?: true
  /** A change of a strong volume that is done once, however often it is sent: its handler gives `callerOnce` to what changes something. */
  readonly isRemembered?: true
  /** Its body goes on for as long as its answer. */
  readonly isConversation?: true
  readonly query?: z.ZodObject
  readonly requestHeaders?: readonly string[]
  readonly body?: RouteBody
  readonly responses: Readonly<Record<number, RouteResponse>>
  /** Beside `COMMON_ERRORS`. */
  readonly errors: readonly ErrorCode[]
  handle(exchange: Exchange, rest: RestContext): void | Promise<void>
}

/** What any route can answer. */
export const COMMON_ERRORS = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'INVALID_ARGUMENT',
  'BUSY',
  'UNAVAILABLE',
  'STORAGE_FAILED',
  'INTERNAL',
] as const satisfies readonly ErrorCode[]
/** What any route with a body can answer. */
export const BODY_ERRORS = ['INCOMPLETE_BODY', 'TOO_LARGE', 'TIMEOUT'] as const satisfies readonly ErrorCode[]
/** What any route with a volume and a path in it can answer. */
export const PATH_ERRORS = [
  'VOLUME_NOT_FOUND',
  'INVALID_PATH',
  'NAME_TOO_LONG',
  'NOT_FOUND',
  'NOT_A_DIRECTORY',
] as const satisfies readonly ErrorCode[]
/** What any change of a volume can answer. */
export const CHANGE_ERRORS = ['QUOTA_EXCEEDED', 'NO_SPACE', 'CONFLICT', 'NOT_PERMITTED'] as const satisfies readonly ErrorCode[]
