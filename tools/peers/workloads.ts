// What is asked of each server: the arguments of warp or what wrk sends, what is counted, and how far ahead of the best peer Shoal is to be.

import type { Operation } from './operations.ts'
import type { SignedIn } from './signed-requests.ts'

export interface Measure {
  readonly name: string
  readonly unit: 'operations' | 'objects' | 'bytes'
  /** Shoal's throughput, as a multiple of the best peer's. */
  readonly toReach: number
  /** Those whose latencies are told, when it counts unequal ones. */
  readonly latencyOf?: string
}

interface WarpMeasure extends Measure {
  /** The operations that it counts. */
  readonly select: (operations: readonly Operation[]) => readonly Operation[]
}

interface Described {
  readonly name: string
  readonly title: string
  /** How long the server is loaded before it counts, unless told otherwise. */
  readonly warmUpSeconds: number
}

export interface WarpWorkload extends Described {
  readonly warp: readonly [subcommand: string, ...args: string[]]
  readonly measures: readonly WarpMeasure[]
}

/** The same small operation again and again. */
export interface WrkWorkload extends Described {
  readonly wrk: {
    readonly method: 'GET' | 'PUT'
    readonly connections: number
    readonly sizeBytes: number
    readonly objects: number
    readonly signedIn: SignedIn
  }
  readonly measures: readonly [Measure]
}

export type Workload = WarpWorkload | WrkWorkload

export interface WorkloadOptions {
  /** Of the listing. */
  readonly objects: number
  /** One unless given. Of a cluster less is asked where bytes count. */
  readonly nodes?: number
}

/** Of reads of 1 KiB and of 10 MiB (1 GB), put there before. */
const SMALL_OBJECTS = 10_000
const LARGE_OBJECTS = 100
const SMALL_BYTES = 1_024
/** Three nodes that have just started compile the same code, each with a third of the requests for it. */
const WRK_WARM_UP_SECONDS = 10
// Preparation ends at least three seconds before the run starts.
const PREPARATION_GAP_MS = 1_000

const only = (kind: string) => (operations: readonly Operation[]) => operations.filter((operation) => operation.kind === kind)

export function workloads({ objects, nodes = 1 }: WorkloadOptions): readonly Workload[] {
  const small = (method: 'put' | 'get', concurrency: number): WarpWorkload => ({
    name: `${method}-${concurrency}`,
    warmUpSeconds: 0,
    title: `${method.toUpperCase()} 1 KiB, concurrency ${concurrency}`,
    warp: [method, '--obj.size=1KiB', `--concurrent=${concurrency}`, ...(method === 'get' ? [`--objects=${SMALL_OBJECTS}`] : [])],
    measures: [{ name: method.toUpperCase(), unit: 'operations', toReach: 2, select: only(method.toUpperCase()) }],
  })
  const light = (method: 'put' | 'get', connections: number, signedIn: SignedIn): WrkWorkload => {
    const name = method === 'put' ? 'PUT' : 'GET'
    return {
      name: `${method}-${connections}-wrk${signedIn === 'headers' ? '-headers' : ''}`,
      warmUpSeconds: WRK_WARM_UP_SECONDS,
      title: `${name} 1 KiB by a light client, ${signedIn === 'headers' ? 'signed in headers' : 'by presigned addresses'}, concurrency ${connections}`,
      wrk: { method: name, connections, sizeBytes: SMALL_BYTES, objects: SMALL_OBJECTS, signedIn },
      measures: [{ name, unit: 'operations', toReach: 2 }],
    }
  }
  return [
    small('put', 16),
    small('put', 64),
    small('get', 16),
    small('get', 64),
    ...(['address', 'headers'] as const).flatMap((signedIn) => [
      light('put', 16, signedIn),
      light('put', 64, signedIn),
      light('get', 16, signedIn),
      light('get', 64, signedIn),
    ]),
    {
      name: 'list',
      warmUpSeconds: 0,
      title: `List ${objects.toLocaleString('en')} objects of 1 KiB, 1,000 keys a page, concurrency 16`,
      warp: ['list', '--obj.size=1KiB', `--objects=${objects}`, '--max-keys=1000', '--concurrent=16'],
      measures: [
        { name: 'create', unit: 'objects', toReach: 2, select: only('PUT') },
        { name: 'list', unit: 'objects', toReach: 1.2, select: only('LIST') },
      ],
    },
    {
      name: 'mixed',
      warmUpSeconds: 0,
      title: 'Mixed, 10 MiB, concurrency 20 (45 % GET, 30 % STAT, 15 % PUT, 10 % DELETE)',
      warp: ['mixed', '--obj.size=10MiB', `--objects=${LARGE_OBJECTS}`, '--concurrent=20'],
      measures: [{ name: 'mixed', unit: 'bytes', toReach: nodes > 1 ? 1 : 1.2, select: afterPreparation, latencyOf: 'GET' }],
    },
    {
      name: 'multipart-put',
      warmUpSeconds: 0,
      title: 'Multipart upload, 100 MiB in 20 parts, 4 uploads with 4 parts each at a time',
      warp: ['multipart-put', '--part.size=5MiB', '--parts=20', '--part.concurrent=4', '--concurrent=4'],
      measures: [{ name: 'upload', unit: 'bytes', toReach: 1, select: only('PUTPART') }],
    },
    {
      name: 'multipart',
      warmUpSeconds: 0,
      title: 'Reading parts of multipart objects of 100 MiB, concurrency 8',
      warp: ['multipart', '--part.size=5MiB', '--parts=20', '--concurrent=8'],
      measures: [{ name: 'read', unit: 'bytes', toReach: 1, select: only('GET') }],
    },
  ]
}

/** What `warp mixed` puts beforehand is left out: its run has other operations too. */
function afterPreparation(operations: readonly Operation[]): readonly Operation[] {
  const firstMs = operations.reduce((least, { kind, startMs }) => (kind === 'PUT' ? least : Math.min(least, startMs)), Infinity)
  return operations.filter(({ startMs }) => startMs >= firstMs - PREPARATION_GAP_MS)
}
