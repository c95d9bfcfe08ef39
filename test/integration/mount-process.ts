// `shoal mount` in processes of their own, as people run it.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NODE_FLAGS } from '../../bin/run-pinned.mjs'
import { shell } from '../../src/gateway/fuse/mounted.suite.ts'
import { NodeFuseMounts } from '../../src/platform/node-fuse-mounts.ts'
import { ACCESS_KEY, SECRET_KEY } from '../support/node-process.ts'

export interface MountProcess {
  readonly directory: string
  readonly child: ChildProcess
  /** Runs a shell script in it and answers what it printed. */
  sh(script: string): Promise<string>
  /** Kills it, and clears the directory away. */
  clear(): Promise<void>
}

export async function mountProcess(endpoint: string, volume: string, flags: readonly string[] = []): Promise<MountProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-mount-'))
  const args = [...NODE_FLAGS, 'src/main.ts', 'mount', volume, directory, '--foreground', ...flags]
  const env = { ...process.env, SHOAL_ENDPOINT: endpoint, SHOAL_ACCESS_KEY: ACCESS_KEY, SHOAL_SECRET_KEY: SECRET_KEY }
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  assert.equal(line, `Mounted ${volume} at ${directory}\n`)
  return {
    directory,
    child,
    sh: (script) => shell(script, directory),
    clear: async () => {
      child.kill('SIGKILL')
      await new NodeFuseMounts().unmount(directory, { lazy: true }).catch(() => undefined)
      rmdirSync(directory)
    },
  }
}

/** A program that does as it is told, a line at a time, and answers each line with one. */
export class LineProgram {
  readonly child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    // Whoever asks one that has ended hears that it is gone.
    this.child.stdin?.on('error', () => undefined)
    this.#lines = linesOf(this.child.stdout as NodeJS.ReadableStream)
  }

  say(line: string): Promise<string> {
    this.child.stdin?.write(`${line}\n`)
    return this.hear()
  }

  /** Its next line, unasked. */
  async hear(): Promise<string> {
    const { value } = (await this.#lines.next()) as { value: string | undefined }
    return value ?? 'gone'
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await once(this.child, 'exit')
  }
}

async function* linesOf(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  let text = ''
  for await (const piece of stream) {
    text += String(piece)
    const lines = text.split('\n')
    text = lines.pop() as string
    yield* lines
  }
}
