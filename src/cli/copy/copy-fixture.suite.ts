import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach } from 'node:test'
import type { FakeServer } from '#client/fake-server.suite.ts'
import type { FakeFile } from '#client/fake-volume.suite.ts'
import { startTestCli, type TestCli } from '../test-cli.suite.ts'

/** A command line, a server with the volume "docs", and a folder for files: new for each test of the file that asks. */
export interface CopyFixture {
  readonly cli: TestCli
  readonly root: string
  /** Makes a local file below `root`, with its own path as its content unless told otherwise. */
  write(path: string, content?: string | Buffer, mode?: number): string
  stored(path: string, volume?: string): FakeFile | undefined
  /** What is in a volume. */
  paths(volume?: string): string[]
  /** Runs `cp`. */
  copy(...args: string[]): Promise<Awaited<ReturnType<TestCli['run']>> & { readonly requests: FakeServer['requests'] }>
}

export function copyFixture(): CopyFixture {
  let cli: TestCli
  beforeEach(async () => {
    cli = await startTestCli()
    cli.server.makeVolume('docs')
  })
  afterEach(async () => cli[Symbol.asyncDispose]())
  return {
    get cli() {
      return cli
    },
    get root() {
      return cli.folder
    },
    write(path, content = path, mode = 0o644) {
      const full = join(cli.folder, path)
      mkdirSync(dirname(full), { recursive: true })
      writeFileSync(full, content)
      chmodSync(full, mode)
      return full
    },
    stored: (path, volume = 'docs') => cli.server.volumes.get(volume)?.files.get(path),
    paths: (volume = 'docs') => [...(cli.server.volumes.get(volume)?.files.keys() ?? [])].toSorted(),
    async copy(...args) {
      const result = await cli.run('cp', ...args)
      return { ...result, requests: cli.server.requests.splice(0) }
    },
  }
}
