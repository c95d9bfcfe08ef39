// A volume of a node that is mounted by `shoal mount`.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NODE_FLAGS } from '../../bin/run-pinned.mjs'
import { ShoalClient } from '../../src/client/shoal-client.ts'
import { shell } from '../../src/gateway/fuse/mounted.suite.ts'
import { nodeClock } from '../../src/platform/node-clock.ts'
import { NodeFuseMounts } from '../../src/platform/node-fuse-mounts.ts'
import { nodeRandom } from '../../src/platform/node-random.ts'
import { ACCESS_KEY, SECRET_KEY } from './node-process.ts'

export function connect(endpoint: string): ShoalClient {
  return new ShoalClient({ endpoint, accessKey: ACCESS_KEY, secretKey: SECRET_KEY, clock: nodeClock, random: nodeRandom })
}

export interface MountedNodeOptions {
  readonly endpoint: string
  readonly volume: string
  /** Where what mounts keep on this machine lies. */
  readonly state: string
  readonly flags?: readonly string[]
}

/** One directory, on which a volume is mounted, perhaps again and again. */
export class MountedNode {
  readonly directory = mkdtempSync(join(tmpdir(), 'shoal-mount-'))
  readonly #options: MountedNodeOptions
  #child: ChildProcess | undefined

  constructor(options: MountedNodeOptions) {
    this.#options = options
  }

  async mount(): Promise<void> {
    const { volume, flags = [] } = this.#options
    this.#child = this.shoal(['mount', volume, this.directory, '--foreground', ...flags])
    const [line] = (await once(this.#child.stdout?.setEncoding('utf8') as NodeJS.ReadableStream, 'data')) as [string]
    assert.equal(line, `Mounted ${volume} at ${this.directory}\n`)
  }

  /** Of the process that serves it. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** What a file system that is mounted no more leaves goes, too. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#exited()
  }

  /** Ends when all has been sent. */
  async unmount(): Promise<void> {
    await new NodeFuseMounts().unmount(this.directory, { lazy: false })
    assert.equal(await this.#exited(), 0)
  }

  /** Leaves nothing behind, whatever has happened. */
  async remove(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await new NodeFuseMounts().unmount(this.directory, { lazy: true }).catch(() => undefined)
    rmdirSync(this.directory)
  }

  sh(script: string): Promise<string> {
    return shell(script, this.directory)
  }

  shoal(args: readonly string[]): ChildProcess {
    const { endpoint, state } = this.#options
    return spawn(process.execPath, [...NODE_FLAGS, 'src/main.ts', ...args], {
      env: {
        ...process.env,
        XDG_STATE_HOME: state,
        SHOAL_ENDPOINT: endpoint,
        SHOAL_ACCESS_KEY: ACCESS_KEY,
        SHOAL_SECRET_KEY: SECRET_KEY,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  }

  async #exited(): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  }
}
