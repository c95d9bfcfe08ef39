// A server under load: a process group of its own on loopback, with a folder of its own, which is gone afterwards.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'minio'
import { canListen } from '../../test/support/node-process.ts'
import { membersOf } from './process-usage.ts'

/** Of the form that the strictest of them, Garage, asks for. */
export const ACCESS_KEY = 'GK0123456789abcdef01234567'
export const SECRET_KEY = '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
export const REGION = 'us-east-1'
/** What is loaded; warp's own name for it. */
export const BUCKET = 'warp-benchmark-bucket'

/** Three nodes begin one after the other, and then make their layout. */
const READY_MS_MAX = 120_000
const POLL_MS = 200
/** Three nodes that stop hand over to each other first. */
const STOP_MS_MAX = 20_000
const LOG_BYTES_SHOWN = 2_000
// What was killed a moment ago may still be writing.
const REMOVAL = { recursive: true, force: true, maxRetries: 5, retryDelay: POLL_MS }

/** How a server is started. All its addresses are on 127.0.0.1. */
export interface Recipe {
  readonly command: readonly [program: string, ...args: string[]]
  readonly environment?: Readonly<Record<string, string>>
  /** How it is shown, where that says more than the command. */
  readonly shown?: string
  /** One for each node. */
  readonly s3Ports: readonly number[]
  /** What has to be done once it runs and before its S3 door answers; waited for, and tried again until it succeeds. */
  readonly prepare?: () => void
  /** Files that it makes elsewhere than in its folder, and leaves. */
  readonly leftovers?: readonly string[]
}

export interface Server {
  /** The process group. */
  readonly group: number
  readonly s3Ports: readonly number[]
  readonly command: string
  /** Goes with it. */
  readonly folder: string
  stop(): Promise<void>
}

/** The groups that run now with what they leave behind, for whoever has to end them in a hurry. */
const running = new Map<number, readonly string[]>()

export async function startServer(cook: (folder: string, ports: readonly number[]) => Recipe): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-peers-'))
  const { command, environment, s3Ports, shown, prepare, leftovers = [] } = cook(folder, await freePorts())
  const traces = [folder, ...leftovers]
  const logFile = join(folder, 'log')
  const log = openSync(logFile, 'w')
  const [program, ...args] = command
  const child = spawn(program, args, {
    detached: true,
    env: { ...process.env, HOME: folder, ...environment },
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  let failure: Error | undefined
  child.on('error', (error) => (failure = error))
  const group = child.pid ?? 0
  if (group !== 0) running.set(group, traces)
  try {
    await untilReady(s3Ports, prepare, () => {
      if (failure !== undefined) throw failure
      if (hasEnded(child)) throw new Error(`it ended with ${child.exitCode ?? child.signalCode}`)
    })
  } catch (error) {
    const said = readFileSync(logFile, 'utf8').slice(-LOG_BYTES_SHOWN).trim()
    await end(child, traces)
    throw new Error(`${(error as Error).message}${said === '' ? '' : `; it said: ${said.split('\n').slice(-3).join(' ')}`}`)
  }
  return {
    group,
    s3Ports,
    command: (shown ?? [basename(program), ...args].join(' ')).replaceAll(folder, 'FOLDER'),
    folder,
    stop: () => end(child, traces),
  }
}

/** Ends all that runs, at once. */
export function killServers(): void {
  for (const [group, traces] of running) {
    signalGroup(group, 'SIGKILL')
    for (const trace of traces) rmSync(trace, REMOVAL)
  }
  running.clear()
}

async function end(child: ChildProcess, traces: readonly string[]): Promise<void> {
  const group = child.pid
  if (group !== undefined) {
    signalGroup(group, 'SIGTERM')
    const deadlineMs = performance.now() + STOP_MS_MAX
    while (membersOf(group).length > 0 && performance.now() < deadlineMs) await delay(POLL_MS)
    signalGroup(group, 'SIGKILL')
    running.delete(group)
  }
  for (const trace of traces) rmSync(trace, REMOVAL)
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch {
    // None of it is left.
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** Of one of its doors. */
export function clientOf(port: number): Client {
  const keys = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, region: REGION }
  return new Client({ endPoint: '127.0.0.1', port, useSSL: false, ...keys })
}

/** Until a bucket can be made and an object stored and removed at each door: some answer long before that. */
async function untilReady(s3Ports: readonly number[], prepare: Recipe['prepare'], assertRunning: () => void): Promise<void> {
  const clients = s3Ports.map(clientOf)
  const bucket = 'shoal-peers-ready'
  const deadlineMs = performance.now() + READY_MS_MAX
  for (;;) {
    await delay(POLL_MS)
    assertRunning()
    try {
      prepare?.()
      for (const client of clients) {
        if (!(await client.bucketExists(bucket))) await client.makeBucket(bucket, REGION)
        await client.putObject(bucket, 'ready', 'ready')
        await client.removeObject(bucket, 'ready')
      }
      return
    } catch (error) {
      if (performance.now() > deadlineMs) throw new Error(`not ready within ${READY_MS_MAX} ms: ${(error as Error).message}`)
    }
  }
}

/** Runs a command that administers a server, with `input`. @throws unless it succeeds, with what it said. */
export function administer(
  command: readonly [string, ...string[]],
  folder: string,
  { input = '', environment = {} }: { readonly input?: string; readonly environment?: Readonly<Record<string, string>> } = {},
): string {
  const [program, ...args] = command
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    input,
    encoding: 'utf8',
    timeout: STOP_MS_MAX,
    env: { ...process.env, HOME: folder, ...environment },
  })
  if (status !== 0) throw new Error(error?.message ?? `${stderr}${stdout}`.trim())
  return stdout
}

/** Of three nodes of any of them. */
const PORTS = 40

/** Ports in a row, free now, below those that the system hands out by itself. */
async function freePorts(): Promise<number[]> {
  for (;;) {
    const base = 12_000 + PORTS * randomInt(450)
    const ports = Array.from({ length: PORTS }, (_, index) => base + index)
    const bound = await Promise.all(ports.map(canListen))
    if (bound.every(Boolean)) return ports
  }
}
