// The light client, wrk (Debian has it): one thread that sends messages made beforehand in turn over kept connections, some 10 µs of a core each.

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** What one wrk tells of its run. */
export interface WrkRun {
  /** All that came, errors too. */
  readonly answers: number
  /** Of all answers, heads included. */
  readonly bytes: number
  readonly seconds: number
  /** Of the wall clock. */
  readonly endMs: number
  /** Its own, from when its messages were read. */
  readonly cpuSeconds: number
  /** Answers with a status of 400 or more. */
  readonly refused: number
  /** Connections that failed, or were closed before the answer. */
  readonly broken: number
  /** Answers that took over `TIMEOUT_S`, which are waited for all the same. */
  readonly late: number
  /** 1,000 latencies in order, of which each stands for a thousandth of the answers. A connection that stood still counts for what
   *  it would have sent meanwhile (wrk 4's correction for "coordinated omission"). */
  readonly quantilesUs: readonly number[]
}

const SCRIPT = fileURLToPath(new URL('wrk.lua', import.meta.url))
const TIMEOUT_S = 10
/** Reading the messages, and what the answers come to. */
const GRACE_MS = 60_000
const run = promisify(execFile)

/** Writes messages of HTTP, each whole, in the form that wrk's script reads. */
export async function writeMessages(path: string, messages: Iterable<string>): Promise<void> {
  await writeFile(path, Array.from(messages, (message) => `${Buffer.byteLength(message)}\n${message}`).join(''))
}

/** Sends the messages of the file in turn, again and again, over so many connections to the server at `url`, whose path doesn't count.
 *  @throws if wrk isn't there or says nothing */
export async function runWrk(options: {
  readonly wrk: string
  readonly url: string
  readonly messages: string
  readonly connections: number
  readonly seconds: number
}): Promise<WrkRun> {
  const { wrk, url, messages, connections, seconds } = options
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, `--timeout=${TIMEOUT_S}s`, '-s', SCRIPT, url, messages]
  const running = run(wrk, args, { timeout: seconds * 1000 + GRACE_MS, killSignal: 'SIGKILL' })
  const kill = (): unknown => running.child.kill('SIGKILL')
  process.once('exit', kill)
  try {
    return parseWrk((await running).stdout)
  } finally {
    process.off('exit', kill)
  }
}

/** @throws if the line of the script isn't in it */
export function parseWrk(said: string): WrkRun {
  const line = said.split('\n').findLast((each) => each.startsWith('{'))
  if (line === undefined) throw new Error(`wrk doesn't say what it did: ${said.trim().split('\n').slice(-3).join(' ')}`)
  return JSON.parse(line) as WrkRun
}

/** What didn't succeed, or `undefined`. */
export function failuresOf({ refused, broken, late }: Pick<WrkRun, 'refused' | 'broken' | 'late'>): string | undefined {
  if (refused + broken + late === 0) return undefined
  return `${refused} answers of 400 or more, ${broken} connections that broke, ${late} answers after ${TIMEOUT_S} s`
}

/** The latency that so large a share of all answers kept to, of all runs together. */
export function latencyMs(runs: readonly WrkRun[], share: number): number {
  const weighed = runs.flatMap(({ answers, quantilesUs }) =>
    quantilesUs.map((us) => ({ us, weight: answers / quantilesUs.length })),
  )
  let left = share * runs.reduce((sum, { answers }) => sum + answers, 0)
  for (const { us, weight } of weighed.toSorted((a, b) => a.us - b.us)) {
    left -= weight
    if (left <= 0) return us / 1000
  }
  return Number.NaN
}
