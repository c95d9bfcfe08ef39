// A real node in a process of its own: started, watched, killed.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { get as getEncrypted } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { NODE_FLAGS } from '../../bin/run-pinned.mjs'

export const ACCESS_KEY = 'crash-test'
export const SECRET_KEY = 'not-a-secret-at-all'
export const AUTHORIZATION = `Basic ${Buffer.from(`${ACCESS_KEY}:${SECRET_KEY}`).toString('base64')}`

const READY_WITHIN_MS = 30_000

export interface NodeProcess {
  readonly origin: string
  readonly child: ChildProcess
  /** What it has written to standard error, the last 64 KiB of it. */
  log(): string
  /** SIGKILL: no handler runs, nothing is flushed. */
  kill(): Promise<void>
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>
}

/** A base port whose next seven are free as well. Ports below those that the system hands out itself, so that nothing takes one
 *  meanwhile but another such call: hence at random. */
export async function freePort(): Promise<number> {
  for (;;) {
    const base = 12_000 + 8 * randomInt(2_500)
    const bound = await Promise.all(Array.from({ length: 8 }, (_, at) => canListen(base + at)))
    if (bound.every(Boolean)) return base
  }
}

export async function canListen(port: number): Promise<boolean> {
  const server = createServer()
  const bound = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => resolve(true))
  })
  if (bound) await new Promise((resolve) => server.close(resolve))
  return bound
}

export async function startNodeProcess(options: {
  data: string
  port: number
  /** `undefined` takes a variable away. */
  environment?: Record<string, string | undefined>
  flags?: readonly string[]
  /** Where it listens, 127.0.0.1 unless given. */
  host?: string
  /** A program that starts it, with arguments: its process becomes the node's. */
  through?: readonly string[]
  /** A file with the certificate to trust, once it is there, of a node that is told to encrypt. */
  tlsAuthority?: string
  /** The program and its first words; a node's own unless given. */
  program?: readonly string[]
}): Promise<NodeProcess> {
  const {
    data,
    port,
    environment = {},
    flags = [],
    tlsAuthority,
    host,
    through = [],
    program = ['src/main.ts', 'serve'],
  } = options
  const listen = host === undefined ? [] : ['--host', host, '--insecure']
  const serve = [...NODE_FLAGS, ...program, '--data', data, '--port', String(port), ...listen, ...flags]
  const [first, ...rest] = [...through, process.execPath, ...serve]
  const child = spawn(first as string, rest, {
    env: {
      ...process.env,
      SHOAL_ROOT_ACCESS_KEY: ACCESS_KEY,
      SHOAL_ROOT_SECRET_KEY: SECRET_KEY,
      SHOAL_LOG_LEVEL: 'warn',
      ...environment,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr?.on('data', (piece: Buffer) => {
    log = (log + piece.toString()).slice(-65_536)
  })
  const exited = once(child, 'exit')
  const origin = `${tlsAuthority === undefined ? 'http' : 'https'}://${host ?? '127.0.0.1'}:${port}`
  await untilReady(
    () => statusOf(`${origin}/readyz`, tlsAuthority),
    child,
    () => log,
  )
  return {
    origin,
    child,
    log: () => log,
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    async stop() {
      child.kill('SIGTERM')
      await exited
      return child.exitCode
    },
  }
}

async function untilReady(readiness: () => Promise<number | undefined>, child: ChildProcess, log: () => string): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS
  while (performance.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`The node exited with ${child.exitCode ?? child.signalCode}:\n${log()}`)
    if ((await readiness()) === 200) return
    await delay(20)
  }
  child.kill('SIGKILL')
  throw new Error(`The node was not ready within ${READY_WITHIN_MS} ms:\n${log()}`)
}

/** The status of an answer on a connection of its own; `undefined` when there is none. */
function statusOf(url: string, authority: string | undefined): Promise<number | undefined> {
  return new Promise((resolve) => {
    const answer = (response: IncomingMessage) => {
      response.resume()
      resolve(response.statusCode)
    }
    if (authority !== undefined && !existsSync(authority)) return resolve(undefined)
    const request =
      authority === undefined
        ? get(url, { agent: false }, answer)
        : getEncrypted(url, { agent: false, ca: readFileSync(authority) }, answer)
    request.on('error', () => resolve(undefined))
  })
}
