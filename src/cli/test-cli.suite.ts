// Runs the command line within a test: against a server over memory, with its output in strings.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { FakeServer } from '#client/fake-server.suite.ts'
import { main } from './main.ts'

export interface CliResult {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface TestCli extends AsyncDisposable {
  readonly server: FakeServer
  /** A folder of its own. */
  readonly folder: string
  run(...args: string[]): Promise<CliResult>
  runWith(
    options: { readonly stdin?: Buffer; readonly env?: Record<string, string>; readonly isTTY?: boolean },
    ...args: string[]
  ): Promise<CliResult>
}

export async function startTestCli(): Promise<TestCli> {
  const server = await FakeServer.start()
  const folder = mkdtempSync(join(tmpdir(), 'shoal-cli-'))
  const env = { SHOAL_ENDPOINT: server.endpoint, SHOAL_ACCESS_KEY: 'key', SHOAL_SECRET_KEY: 'secret', HOME: join(folder, 'home') }
  const runWith: TestCli['runWith'] = async (options, ...args) => {
    const stdout = new Collected(options.isTTY ?? false)
    const stderr = new Collected(options.isTTY ?? false)
    const stdin = Readable.from(options.stdin === undefined ? [] : [options.stdin])
    const code = await main(args, { stdin, stdout, stderr, env: { ...env, ...options.env } })
    return { code, out: stdout.text(), err: stderr.text() }
  }
  return {
    server,
    folder,
    runWith,
    run: (...args) => runWith({}, ...args),
    async [Symbol.asyncDispose]() {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

class Collected extends Writable {
  readonly isTTY: boolean
  readonly #chunks: Buffer[] = []

  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk)
    done()
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('latin1')
  }
}
