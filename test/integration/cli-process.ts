// The command line in a process of its own, as a person runs it.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { ACCESS_KEY, SECRET_KEY } from '../support/node-process.ts'

export interface CliEnded {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

export class Cli {
  readonly #environment: NodeJS.ProcessEnv

  /** `home`: a folder of its own, where it keeps what it has to resume. */
  constructor(endpoint: string, home: string) {
    const { XDG_STATE_HOME: _state, XDG_CONFIG_HOME: _config, ...rest } = process.env
    this.#environment = {
      ...rest,
      HOME: home,
      SHOAL_ENDPOINT: endpoint,
      SHOAL_ACCESS_KEY: ACCESS_KEY,
      SHOAL_SECRET_KEY: SECRET_KEY,
    }
  }

  start(...args: readonly string[]): { child: ChildProcess; ended: Promise<CliEnded> } {
    const child = spawn(process.execPath, ['src/main.ts', ...args], { env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'] })
    let [out, err] = ['', '']
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString('latin1')))
    child.stderr.on('data', (piece: Buffer) => (err += piece.toString('latin1')))
    const ended = once(child, 'close').then((result: unknown[]) => {
      const [code, signal] = result as [number | null, NodeJS.Signals | null]
      return { code, signal, out, err }
    })
    return { child, ended }
  }

  /** Its standard output. @throws with what it said if it doesn't end with 0 */
  async run(...args: readonly string[]): Promise<string> {
    const { code, signal, out, err } = await this.start(...args).ended
    if (code !== 0) throw new Error(`shoal ${args.join(' ')} ended with ${code ?? signal}:\n${err}${out}`)
    return out
  }
}
