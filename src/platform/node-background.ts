import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Readable } from 'node:stream'

/** The descriptor by which a process in the background says that it is ready. */
const READY = 3
const READY_VARIABLE = 'SHOAL_READY_FD'
/** Of what it has logged until it failed. */
const LOG_BYTES_MAX = 64 * 1024

export type Started =
  | { readonly isReady: true; readonly pid: number }
  | { readonly isReady: false; readonly exitCode: number; readonly log: string }

/** Starts this program once more with its arguments and `flag` behind the first of them, in a session of its own, and resolves when that process calls `sayReady`, or has
 *  ended without. What it writes to standard error goes to the end of `logFile`. @throws what the system says of the file */
export async function startInBackground(flag: string, logFile: string): Promise<Started> {
  const [program, command, ...args] = process.argv.slice(1) as [string, string, ...string[]]
  mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 })
  const log = openSync(logFile, 'a', 0o600)
  const logStart = statSync(logFile).size
  try {
    const child = spawn(process.execPath, [...process.execArgv, program, command, flag, ...args], {
      detached: true,
      stdio: ['ignore', 'ignore', log, 'pipe'],
      env: { ...process.env, [READY_VARIABLE]: String(READY) },
    })
    const ended = Promise.withResolvers<number>()
    child.on('error', ended.reject)
    child.on('exit', (code) => ended.resolve(code ?? 1))
    const line = child.stdio[READY] as Readable
    const ready = new Promise<true>((resolve) => line.once('data', () => resolve(true)))
    const outcome = await Promise.race([ready, ended.promise])
    if (outcome !== true) {
      const text = readFileSync(logFile).subarray(logStart).subarray(-LOG_BYTES_MAX).toString()
      return {
        isReady: false,
        exitCode: outcome,
        log: text === '' ? `It ended without a word in ${logFile}. Is that disk full?\n` : text,
      }
    }
    line.destroy()
    child.unref()
    return { isReady: true, pid: child.pid as number }
  } finally {
    closeSync(log)
  }
}

/** Tells whoever started this process in the background, if anybody did, that it is ready; it leaves the folder in which it was
 *  started. */
export function sayReady(): void {
  if (process.env[READY_VARIABLE] !== String(READY)) return
  delete process.env[READY_VARIABLE]
  writeSync(READY, 'ready\n')
  closeSync(READY)
  process.chdir('/')
}
