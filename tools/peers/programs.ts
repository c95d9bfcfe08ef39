// The programs that are compared, the one that administers one of them, and those that load them: where they come from, and where they are found.

import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

export type ProgramName = 'warp' | 'wrk' | 'minio' | 'mc' | 'weed' | 'versitygw' | 'garage'

export interface Program {
  readonly path: string
  /** What it says of itself, or, of a program that doesn't say it, what it was installed as. */
  readonly version: string
}

/** The command that installs a program into `folder`/bin, or the package of Debian that has it. */
interface Source {
  readonly command: readonly [tool: string, ...args: string[]] | { readonly package: string }
  readonly versionArgs: readonly string[]
  /** Something that it says of itself, where other programs have its name. */
  readonly says?: RegExp
}

const SOURCES: Readonly<Record<ProgramName, Source>> = {
  warp: { command: ['go', 'install', 'github.com/minio/warp@v1.6.1'], versionArgs: ['--version'] },
  wrk: { command: { package: 'wrk' }, versionArgs: ['--version'] },
  minio: {
    command: ['go', 'install', 'github.com/minio/minio@v0.0.0-20251015172955-9e49d5e7a648'],
    versionArgs: ['--version'],
  },
  // MinIO's client; Midnight Commander is called so, too.
  mc: {
    command: ['go', 'install', 'github.com/minio/mc@v0.0.0-20250813083541-7394ce0dd2a8'],
    versionArgs: ['--version'],
    says: /^mc version/,
  },
  weed: {
    command: ['go', 'install', 'github.com/seaweedfs/seaweedfs/weed@v0.0.0-20260504061534-73fc9e3833cf'],
    versionArgs: ['version'],
  },
  versitygw: {
    command: ['go', 'install', 'github.com/versity/versitygw/cmd/versitygw@v1.7.0'],
    versionArgs: ['--version'],
  },
  garage: { command: ['cargo', 'install', 'garage', '--version', '2.1.0', '--locked'], versionArgs: ['--version'] },
}

// Garage takes half an hour on two cores.
const INSTALL_MS_MAX = 90 * 60_000
const VERSION_MS_MAX = 10_000

export const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'shoal-peers')

/** Finds `name` in `folder` (`--bin`), in the cache or on the PATH, else installs it into the cache. A program that can't be had
 *  is told as the reason, in one line. */
export function findProgram(name: ProgramName, folder: string | undefined): Program | { readonly missing: string } {
  const folders = [...(folder === undefined ? [] : [folder]), join(CACHE, 'bin'), ...(process.env['PATH'] ?? '').split(delimiter)]
  const { says } = SOURCES[name]
  const isIt = (path: string): boolean => canRun(path) && (says?.test(versionOf(name, path)) ?? true)
  const found = folders.map((place) => join(place, name)).find(isIt)
  if (found !== undefined) return { path: found, version: versionOf(name, found) }
  const failure = install(name)
  if (failure !== undefined) return { missing: failure }
  const path = join(CACHE, 'bin', name)
  return canRun(path) ? { path, version: versionOf(name, path) } : { missing: `its installation left no ${path}` }
}

export interface ServerPrograms {
  readonly server: Program
  /** What administers it, where that is another program. */
  readonly administrator?: Program
}

/** Both, or the reason why one of them can't be had. */
export function findServer(
  { program, administrator }: { readonly program: ProgramName; readonly administrator: ProgramName | undefined },
  folder: string | undefined,
): ServerPrograms | { readonly missing: string } {
  const server = findProgram(program, folder)
  if ('missing' in server || administrator === undefined) return 'missing' in server ? server : { server }
  const found = findProgram(administrator, folder)
  return 'missing' in found
    ? { missing: `${administrator}, which administers it: ${found.missing}` }
    : { server, administrator: found }
}

function install(name: ProgramName): string | undefined {
  const source = SOURCES[name].command
  if ('package' in source) return `it isn't there; Debian has it: apt-get install ${source.package}`
  const [tool, ...args] = source
  const command = [tool, ...args].join(' ')
  if (spawnSync(tool, [tool === 'go' ? 'version' : '--version']).status !== 0)
    return `it isn't there, and ${tool}, which would install it (${command}), isn't either`
  console.error(`Installing ${name}: ${command} …`)
  mkdirSync(join(CACHE, 'bin'), { recursive: true })
  const root = tool === 'cargo' ? ['--root', CACHE] : []
  const { status, error, stderr } = spawnSync(tool, [...args, ...root], {
    cwd: CACHE,
    env: { ...process.env, GOTOOLCHAIN: 'local', GOBIN: join(CACHE, 'bin') },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: INSTALL_MS_MAX,
    maxBuffer: 256 * 1024 * 1024,
  })
  if (status === 0) return undefined
  const lines = (error?.message ?? stderr).trim().split('\n')
  return `${command}: ${lines.slice(-2).join(' ').trim()}`
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** What it says of itself, and the version of the module that it was built from, where it has one. */
function versionOf(name: ProgramName, path: string): string {
  const ask = (program: string, args: readonly string[]): string =>
    spawnSync(program, [...args], { encoding: 'utf8', timeout: VERSION_MS_MAX }).stdout ?? ''
  const said = ask(path, SOURCES[name].versionArgs)
    .replace(/^Usage:.*/ms, '')
    .split('\n')
    .slice(0, 2)
    .join(' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
  const [, module] = /^\tmod\t\S+\t(v\S+)/m.exec(ask('go', ['version', '-m', path])) ?? []
  return [said, ...(module === undefined ? [] : [`(module ${module})`])].join(' ').trim() || 'unknown'
}
