// One run of one workload against one server: warp loads it, and what its processes take is sampled meanwhile.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterWarmUp, readOperations, summarize } from './operations.ts'
import { ProcessUsage } from './process-usage.ts'
import { type RunResult, withUsage } from './run-result.ts'
import { ACCESS_KEY, REGION, SECRET_KEY, type Server } from './server.ts'
import type { WarpWorkload } from './workloads.ts'

/** What preparing may take, on top of the duration: 200,000 objects at 400/s. */
const PREPARATION_MS_MAX = 500_000
const OUTPUT_BYTES_MAX = 8_192

/** @throws if warp fails, takes too long, or had no operation that succeeded */
export async function runWarp(options: {
  readonly warp: string
  readonly server: Server
  readonly workload: WarpWorkload
  readonly durationSeconds: number
  /** On top, of each measure: what begins in it doesn't count. */
  readonly warmUpSeconds: number
}): Promise<RunResult> {
  const { warp, server, workload, durationSeconds, warmUpSeconds } = options
  const seconds = warmUpSeconds + durationSeconds
  const run = join(server.folder, 'warp')
  const usage = new ProcessUsage(server.group)
  let generator: ProcessUsage | undefined
  try {
    const shown = [...workload.warp, `--duration=${seconds}s`, '--noclear', '--full', `--region=${REGION}`, '--lookup=path']
    usage.start()
    const output = await load(warp, {
      args: [
        ...shown,
        `--host=${server.s3Ports.map((port) => `127.0.0.1:${port}`).join(',')}`,
        '--no-color',
        `--benchdata=${run}`,
      ],
      timeoutMs: PREPARATION_MS_MAX + seconds * 1000,
      started(group) {
        generator = new ProcessUsage(group)
        generator.start()
      },
    })
    generator?.stop()
    usage.stop()
    const operations = readRun(`${run}.csv.zst`, output)
    const measures = workload.measures.map(({ name, select, latencyOf }) => {
      const counted = afterWarmUp(select(operations), warmUpSeconds)
      const outcome = summarize(counted)
      if (outcome === undefined) throw new Error(`none of the operations of "${name}" succeeded: ${counted[0]?.error ?? output}`)
      const latencies = latencyOf === undefined ? outcome : summarize(counted.filter(({ kind }) => kind === latencyOf))
      const latency = { medianMs: latencies?.medianMs ?? Number.NaN, p99Ms: latencies?.p99Ms ?? Number.NaN }
      const generatorSeconds = generator?.cpuSecondsBetween(outcome.fromMs, outcome.toMs) ?? 0
      return withUsage({ ...outcome, ...latency }, { measure: name, usage, generatorSeconds })
    })
    return {
      command: ['warp', ...shown, ...(warmUpSeconds === 0 ? [] : [`# the first ${warmUpSeconds} s don't count`])].join(' '),
      measures,
      peakRssBytes: usage.peakRssBytes(),
    }
  } finally {
    usage.stop()
    generator?.stop()
  }
}

/** The end of what it printed. */
async function load(
  warp: string,
  { args, timeoutMs, started }: { args: readonly string[]; timeoutMs: number; started: (group: number) => void },
): Promise<string> {
  const child = spawn(warp, [...args], {
    env: { ...process.env, WARP_ACCESS_KEY: ACCESS_KEY, WARP_SECRET_KEY: SECRET_KEY },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, whose processor time can be told from ours.
    detached: true,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const kill = (): unknown => child.kill('SIGKILL')
  process.once('exit', kill)
  if (child.pid !== undefined) started(child.pid)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => (output = (output + piece.toString()).slice(-OUTPUT_BYTES_MAX)))
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  process.off('exit', kill)
  const told = output.trim().split('\n').slice(-5).join(' ')
  if (signal !== null) throw new Error(`warp didn't end within ${timeoutMs / 1000} s`)
  if (code !== 0) throw new Error(`warp ended with ${code}: ${told}`)
  return told
}

function readRun(path: string, output: string): ReturnType<typeof readOperations> {
  try {
    return readOperations(readFileSync(path))
  } catch (error) {
    throw new Error(`warp left no operations (${(error as Error).message}): ${output}`, { cause: error })
  }
}
