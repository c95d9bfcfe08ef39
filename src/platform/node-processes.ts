import { execFile, spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { access, readFile, stat } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { ShoalError } from '#foundation/errors.ts'
import { cutLines } from './cut-lines.ts'
import type { Child, ChildOptions, EndSignal, ProcessEnd, ProcessFacts, Processes } from './processes.ts'

/** How a child is made to end with this process: `kernel` asks Linux for it (PR_SET_PDEATHSIG, prctl(2), by setpriv of
 *  util-linux); `watchdog` is a shell that waits for the end of a pipe from this process, and then kills it. */
export type Leash = 'kernel' | 'watchdog'

/** The field of /proc/PID/stat with the start, in ticks since the boot, counted from the one behind the name (proc(5)). */
const START_FIELD = 19
const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }

export class NodeProcesses implements Processes {
  readonly architecture = GO_ARCHITECTURES[process.arch] ?? process.arch
  readonly #wanted: Leash | undefined
  #setpriv: Promise<string | undefined> | undefined
  #chrt: Promise<string | undefined> | undefined

  /** Takes the kernel's leash where there is one, unless told. */
  constructor({ leash }: { readonly leash?: Leash } = {}) {
    this.#wanted = leash
  }

  async find(program: string): Promise<string | undefined> {
    if (program.includes('/')) return (await isProgram(program)) ? resolve(program) : undefined
    for (const folder of (process.env.PATH ?? '').split(':')) {
      const path = join(folder, program)
      if (isAbsolute(path) && (await isProgram(path))) return path
    }
    return undefined
  }

  async start({ program, args, environment, onErrorLine }: ChildOptions): Promise<Child> {
    const setpriv = await (this.#setpriv ??= this.#findSetpriv())
    // Whatever is said of this process (`waitForTurns`), its children are scheduled as usual. Who has no setpriv has no chrt either.
    const chrt = setpriv === undefined ? undefined : await (this.#chrt ??= this.#findChrt())
    const usually = chrt === undefined ? [] : [chrt, '-o', '0']
    const line = setpriv === undefined ? [program, ...args] : [setpriv, '--pdeathsig', 'KILL', '--', ...usually, program, ...args]
    const [command, ...rest] = line as [string, ...string[]]
    const child = spawn(command, rest, { cwd: '/', env: environment, detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
    try {
      await once(child, 'spawn')
    } catch (cause) {
      throw new ShoalError('UNAVAILABLE', `Cannot start "${program}"`, { cause })
    }
    const pid = child.pid as number
    // Without a word for it, Node would throw what can't be sent or ended.
    child.on('error', () => {})
    cutLines(child.stderr, onErrorLine)
    const release = setpriv === undefined ? startWatchdog(pid) : undefined
    return { pid, ended: endOf(child, release), signal: (signal) => void child.kill(signal) }
  }

  async facts(pid: number): Promise<ProcessFacts | undefined> {
    try {
      const [line, stats, boot] = await Promise.all([
        readFile(`/proc/${pid}/cmdline`, 'utf8'),
        readFile(`/proc/${pid}/stat`, 'utf8'),
        readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      ])
      // A process that has ended and isn't fetched by its parent has none.
      if (line === '') return undefined
      const fields = stats.slice(stats.lastIndexOf(')') + 2).split(' ')
      return { startMark: `${boot.trim()}/${fields[START_FIELD]}`, args: line.split('\0').slice(0, -1) }
    } catch {
      return undefined
    }
  }

  signal(pid: number, signal: EndSignal): boolean {
    try {
      return process.kill(pid, signal)
    } catch {
      return false
    }
  }

  async #findSetpriv(): Promise<string | undefined> {
    if (this.#wanted === 'watchdog') return undefined
    // Others than util-linux's don't know the flag.
    return this.#findAble('setpriv', ['--pdeathsig', 'KILL', '--'])
  }

  #findChrt(): Promise<string | undefined> {
    return this.#findAble('chrt', ['-o', '0'])
  }

  /** A program that starts others, if it is there and does so. */
  async #findAble(name: string, args: readonly string[]): Promise<string | undefined> {
    const path = await this.find(name)
    if (path === undefined) return undefined
    return new Promise((answer) => {
      execFile(path, [...args, '/bin/sh', '-c', ':'], (error) => answer(error === null ? path : undefined))
    })
  }
}

/** From now on no thread of this process takes the processor from another one just because it is woken up: it waits until that one waits, or its
 *  turn is over (SCHED_BATCH of sched(7)). Its share of the processors stays what it was. More requests are there together then, and fewer caches
 *  are lost between them; where processors have nothing to do nothing changes. Threads that it starts later are so too; children of `NodeProcesses` are not.
 *
 *  By chrt(1) of util-linux; without it, and on other systems than Linux, nothing happens. */
export async function waitForTurns(): Promise<void> {
  if (process.platform !== 'linux') return
  await promisify(execFile)('chrt', ['--all-tasks', '--batch', '--pid', '0', String(process.pid)]).catch(() => undefined)
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}

async function endOf(child: ChildProcessByStdio<null, null, Readable>, release: (() => void) | undefined): Promise<ProcessEnd> {
  // Before the number can be another process's.
  child.once('exit', () => release?.())
  const [exitCode, signal] = (await once(child, 'close')) as [number | null, string | null]
  return { ...(exitCode === null ? {} : { exitCode }), ...(signal === null ? {} : { signal }) }
}

/** Ends itself when it has killed `pid`. Answers what calls it off. */
function startWatchdog(pid: number): () => void {
  const watchdog = spawn('/bin/sh', ['-c', 'read -r _; kill -KILL "$1"', 'sh', String(pid)], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  watchdog.on('error', () => {})
  watchdog.stdin.on('error', () => {})
  watchdog.unref()
  return () => void watchdog.kill('SIGKILL')
}
