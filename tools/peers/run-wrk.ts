// One run of a small operation against one server: wrk loads each of its S3 doors with requests that were signed beforehand, and what the
// server's processes take is sampled meanwhile.

import { join } from 'node:path'
import type { Client } from 'minio'
import { ProcessUsage } from './process-usage.ts'
import { type RunResult, withUsage } from './run-result.ts'
import { BUCKET, clientOf, REGION, type Server } from './server.ts'
import { messageOf, type SignedRequest, signRequest } from './signed-requests.ts'
import type { WrkWorkload } from './workloads.ts'
import { failuresOf, latencyMs, runWrk, writeMessages, type WrkRun } from './wrk.ts'

/** Objects that are put beforehand, at a time. */
const PREPARED_AT_ONCE = 64
/** New names for so many PUTs, twice what one node alone does on two cores; then they begin anew. */
const PUTS_PER_SECOND_MAX = 7_000

/** A door and what is sent to it, over its share of the connections. */
interface Door {
  readonly url: string
  readonly messages: string
  readonly connections: number
}

/** @throws if wrk fails, a door doesn't answer as it should beforehand, or nothing succeeded */
export async function runWrkLoad(options: {
  readonly wrk: string
  readonly server: Server
  readonly workload: WrkWorkload
  readonly durationSeconds: number
  readonly warmUpSeconds: number
}): Promise<RunResult> {
  const { wrk, server, workload, durationSeconds, warmUpSeconds } = options
  const { wrk: load, measures } = workload
  const usage = new ProcessUsage(server.group)
  usage.start()
  try {
    const clients = server.s3Ports.map(clientOf)
    await prepare(clients, load)
    // All that is signed is signed before: between warming up and counting nothing else happens.
    const warmUp = await doorsOf(server, clients, { load, seconds: warmUpSeconds, turn: 'warm-up' })
    const doors = await doorsOf(server, clients, { load, seconds: durationSeconds, turn: 'counted' })
    if (warmUpSeconds > 0) await drive(wrk, warmUp, warmUpSeconds)
    const runs = await drive(wrk, doors, durationSeconds)
    usage.stop()
    const toMs = Math.max(...runs.map(({ endMs }) => endMs))
    const sumOf = (of: (run: WrkRun) => number): number => runs.reduce((sum, run) => sum + of(run), 0)
    const perSecond = sumOf(({ answers, refused, seconds }) => (answers - refused) / seconds)
    const failures = { refused: sumOf((run) => run.refused), broken: sumOf((run) => run.broken), late: sumOf((run) => run.late) }
    const firstError = failuresOf(failures)
    if (perSecond === 0) throw new Error(`nothing succeeded: ${firstError}`)
    const outcome = {
      fromMs: toMs - Math.max(...runs.map(({ seconds }) => seconds)) * 1000,
      toMs,
      operationsPerSecond: perSecond,
      objectsPerSecond: perSecond,
      bytesPerSecond: perSecond * load.sizeBytes,
      medianMs: latencyMs(runs, 0.5),
      p99Ms: latencyMs(runs, 0.99),
      errors: failures.refused + failures.broken + failures.late,
      firstError,
    }
    const generatorSeconds = sumOf(({ cpuSeconds }) => cpuSeconds)
    const shown = doors.map(({ connections }) => `wrk -t1 -c${connections} -d${durationSeconds}s`).join(' & ')
    return {
      command: `${shown} # after ${warmUpSeconds} s of the same`,
      measures: [withUsage(outcome, { measure: measures[0].name, usage, generatorSeconds })],
      peakRssBytes: usage.peakRssBytes(),
    }
  } finally {
    usage.stop()
  }
}

function drive(wrk: string, doors: readonly Door[], seconds: number): Promise<WrkRun[]> {
  return Promise.all(doors.map((door) => runWrk({ wrk, ...door, seconds })))
}

/** Makes the bucket, and what is to be read. */
async function prepare(clients: readonly Client[], { method, sizeBytes, objects }: WrkWorkload['wrk']): Promise<void> {
  const [first] = clients
  if (first === undefined) throw new Error('it has no S3 door')
  if (!(await first.bucketExists(BUCKET))) await first.makeBucket(BUCKET, REGION)
  if (method === 'PUT') return
  const body = Buffer.alloc(sizeBytes, 'y')
  let next = 0
  const put = async (client: Client): Promise<void> => {
    while (next < objects) await client.putObject(BUCKET, keyOf(next++), body)
  }
  await Promise.all(Array.from({ length: PREPARED_AT_ONCE }, (_, at) => put(clients[at % clients.length] ?? first)))
}

/** What goes to each door, signed for it: all objects to each, from another one on, or new names. */
async function doorsOf(
  { s3Ports, folder }: Server,
  clients: readonly Client[],
  { load, seconds, turn }: { readonly load: WrkWorkload['wrk']; readonly seconds: number; readonly turn: string },
): Promise<Door[]> {
  const { method, connections, sizeBytes, objects, signedIn } = load
  const body = method === 'PUT' ? 'y'.repeat(sizeBytes) : ''
  const doors: Door[] = []
  for (const [at, port] of s3Ports.entries()) {
    const client = clients[at] as Client
    const count = method === 'GET' ? objects : Math.ceil((PUTS_PER_SECOND_MAX * seconds) / s3Ports.length)
    const first = method === 'GET' ? Math.floor((objects * at) / s3Ports.length) : 0
    const keys = Array.from({ length: count }, (_, index) =>
      method === 'GET' ? keyOf((first + index) % objects) : `${turn}-${at}/${index}`,
    )
    const requests = await Promise.all(keys.map((key) => signRequest(client, { method, key, body, signedIn })))
    await assertAnswered(requests[0], sizeBytes)
    const messages = join(folder, `wrk-${turn}-${at}`)
    await writeMessages(messages, requests.map(messageOf))
    doors.push({ url: `http://127.0.0.1:${port}`, messages, connections: shareOf(connections, at, s3Ports.length) })
  }
  return doors
}

const keyOf = (index: number): string => `objects/${index}`

/** Of `total` for the one at `at` of so many: the first ones get one more where it doesn't come out even. */
export function shareOf(total: number, at: number, parts: number): number {
  return Math.floor(total / parts) + (at < total % parts ? 1 : 0)
}

/** wrk counts answers below 400 as good, whatever is in them. */
async function assertAnswered(request: SignedRequest | undefined, sizeBytes: number): Promise<void> {
  if (request === undefined) throw new Error('there is nothing to send')
  const { method, url, headers, body } = request
  const answer = await fetch(url, { method, redirect: 'manual', headers, ...(method === 'PUT' ? { body } : {}) })
  const { length } = await answer.text()
  if (answer.status === 200 && (method === 'PUT' || length === sizeBytes)) return
  throw new Error(`${method} answers ${answer.status} with ${length} bytes`)
}
