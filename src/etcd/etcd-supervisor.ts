import { join } from 'node:path'
import { assert } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import type { Child, ProcessEnd, Processes } from '#platform/processes.ts'
import { etcdFlags } from './etcd-flags.ts'
import type { EtcdBeginning, EtcdPlace } from './etcd-flags.ts'
import { EtcdLogLines } from './etcd-log-lines.ts'
import { PidFile } from './pid-file.ts'

/** A first crash may be chance; what crashes again and again has a cause that isn't gone in half a minute. */
const BACKOFF_MS_MIN = 250
const BACKOFF_MS_MAX = 30_000
/** Who has run for so long begins with the shortest wait again. */
const STEADY_MS = 60_000
/** etcd takes 7 s at most to hand its leadership on, when nobody is there to take it; otherwise it is gone within a second. */
const STOP_MS = 10_000

const PROGRAM = 'etcd'

/** `ended`: it is not up now, and is started again after a while. */
export type EtcdState =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'running'; readonly pid: number; readonly sinceMs: number; readonly restarts: number }
  | { readonly kind: 'ended'; readonly restarts: number; readonly waitMs: number; readonly reason: string }

export interface EtcdSupervisorOptions {
  readonly processes: Processes
  readonly files: Files
  readonly clock: Clock
  readonly log: Log
  /** The node's data folder, absolute, which nobody else has open: etcd's is `etcd` in it. */
  readonly dataPath: string
  /** A path, or a name to look for on the PATH; `etcd` by default. */
  readonly program?: string
}

/** Runs one etcd as a child of this process: starts it again when it ends, hands its log on, and ends it with itself. Says nothing
 *  about whether etcd serves: `EtcdMembers` asks it. */
export class EtcdSupervisor {
  readonly #options: EtcdSupervisorOptions
  readonly #etcdPath: string
  readonly #pidFile: PidFile
  readonly #lines: EtcdLogLines
  #state: EtcdState = { kind: 'stopped' }
  #stopping = new AbortController()
  #child: Child | undefined
  #starting: Promise<void> | undefined
  #watching: Promise<void> | undefined
  #restarts = 0
  #hasBegun = false

  constructor(options: EtcdSupervisorOptions) {
    const { files, processes, clock, log, dataPath } = options
    this.#options = options
    this.#etcdPath = join(dataPath, 'etcd')
    this.#pidFile = new PidFile({
      files,
      processes,
      clock,
      path: join(dataPath, 'etcd.pid'),
      argument: `--data-dir=${this.#etcdPath}`,
    })
    this.#lines = new EtcdLogLines(log, clock)
  }

  get state(): EtcdState {
    return this.#state
  }

  /** Resolves when the process has been started; from then on it is watched.
   *  @throws UNAVAILABLE: there is no such program, it can't be run, or there is no data to resume with; NO_SPACE, STORAGE_FAILED
   *  of the data folder */
  async start(place: EtcdPlace, beginning: EtcdBeginning): Promise<void> {
    assert(this.#starting === undefined && this.#watching === undefined, 'etcd is started once')
    this.#starting = this.#start(place, beginning)
    try {
      await this.#starting
    } finally {
      this.#starting = undefined
    }
  }

  /** Whether a member has run here, and has not been forgotten. Failures are the system's errors. */
  async hasData(): Promise<boolean> {
    const names = (await this.#options.files.list(join(this.#etcdPath, 'member', 'wal'))) ?? []
    return names.some((name) => name.endsWith('.wal'))
  }

  /** The others know this member by its name. From now on it is not started again without what it kept: it would be taken for the
   *  member that it was, and has forgotten what that had voted for. */
  begun(): void {
    this.#hasBegun = true
  }

  /** Ends the process: SIGTERM, and after 10 s SIGKILL; `isAlone`: SIGKILL at once, since it would look for somebody to hand its
   *  leadership on to, and what it has acknowledged is on its disk. Resolves when it is gone. Repeating it is harmless. */
  async stop({ isAlone = false }: { readonly isAlone?: boolean } = {}): Promise<void> {
    await this.#starting?.catch(() => {})
    if (this.#watching === undefined) return
    this.#stopping.abort()
    const ended = new AbortController()
    this.#child?.signal(isAlone ? 'SIGKILL' : 'SIGTERM')
    const killing = this.#options.clock.sleep(STOP_MS, ended.signal).then(
      () => {
        this.#options.log.warn('etcd does not stop and is killed')
        this.#child?.signal('SIGKILL')
      },
      () => {},
    )
    await this.#watching
    ended.abort()
    await killing
    this.#watching = undefined
    this.#state = { kind: 'stopped' }
    // Of a process that is gone it says nothing any more.
    await this.#pidFile.remove().catch(() => {})
  }

  /** Removes what a stopped etcd kept. A member that was removed from its cluster can join again only without it.
   *  @throws STORAGE_FAILED */
  async forget(): Promise<void> {
    assert(this.#watching === undefined, 'etcd is stopped before it is forgotten')
    try {
      await removeFiles(this.#options.files, this.#etcdPath)
    } catch (error) {
      throw storageError(error, `remove what etcd kept in "${this.#etcdPath}"`)
    }
  }

  async #start(place: EtcdPlace, beginning: EtcdBeginning): Promise<void> {
    const { processes, files, log } = this.#options
    const program = await processes.find(this.#options.program ?? PROGRAM)
    if (program === undefined) throw noProgram(this.#options.program)
    try {
      const leftover = await this.#pidFile.endLeftover()
      if (leftover !== undefined) log.warn('an etcd left over from an earlier start was ended', { pid: leftover })
      await files.makeFolder(this.#etcdPath, 0o700)
      if (beginning === 'resume' && !(await this.hasData())) throw noData(this.#etcdPath)
    } catch (error) {
      throw storageError(error, `make etcd's folder "${this.#etcdPath}" ready`)
    }
    const run = (): Promise<Child> => this.#run(program, etcdFlags(place, this.#etcdPath, beginning))
    this.#stopping = new AbortController()
    this.#restarts = 0
    this.#hasBegun = beginning === 'resume'
    const child = await run()
    this.#watching = this.#watch(child, async () => {
      if (this.#hasBegun && !(await this.hasData())) throw noData(this.#etcdPath)
      return run()
    })
  }

  async #run(program: string, args: readonly string[]): Promise<Child> {
    const { processes, clock, log } = this.#options
    const child = await processes.start({
      program,
      args,
      // etcd takes its settings from there as well, and refuses to start if they say something else. Its 3.4 runs on other
      // architectures only for those who say that they know.
      environment: processes.architecture === 'amd64' ? {} : { ETCD_UNSUPPORTED_ARCH: processes.architecture },
      onErrorLine: (line) => this.#lines.take(line),
    })
    this.#child = child
    this.#state = { kind: 'running', pid: child.pid, sinceMs: clock.nowMs(), restarts: this.#restarts }
    log.info('etcd started', { pid: child.pid, restarts: this.#restarts })
    await this.#pidFile.write(child).catch((error: unknown) => {
      // The next start may not know it, and the kernel ends it with this process all the same.
      log.warn('the number of the etcd process could not be written', { error })
    })
    return child
  }

  async #watch(first: Child, run: () => Promise<Child>): Promise<void> {
    const { clock, log } = this.#options
    let waitMs = BACKOFF_MS_MIN
    let child: Child | undefined = first
    for (;;) {
      const startedMs = clock.monotonicMs()
      const reason = child === undefined ? 'cannot be started' : describe(await child.ended)
      this.#child = undefined
      this.#lines.end()
      if (this.#stopping.signal.aborted) return
      if (clock.monotonicMs() - startedMs >= STEADY_MS) waitMs = BACKOFF_MS_MIN
      this.#restarts += 1
      this.#state = { kind: 'ended', restarts: this.#restarts, waitMs, reason }
      log.error('etcd ended and is started again', { reason, waitMs })
      await clock.sleep(waitMs, this.#stopping.signal).catch(() => {})
      if (this.#stopping.signal.aborted) return
      waitMs = Math.min(waitMs * 2, BACKOFF_MS_MAX)
      child = await run().catch((error: unknown) => {
        log.error('etcd cannot be started', { error })
        return undefined
      })
      // Whoever stopped meanwhile had no child to send to.
      if (this.#stopping.signal.aborted) child?.signal('SIGTERM')
    }
  }
}

function describe({ exitCode, signal }: ProcessEnd): string {
  return signal === undefined ? `exit code ${exitCode}` : `signal ${signal}`
}

function noProgram(wanted: string | undefined): ShoalError {
  const where = wanted === undefined ? 'There is no program "etcd" on the PATH' : `"${wanted}" is no program that can be run`
  return new ShoalError(
    'UNAVAILABLE',
    `${where}, and a cluster's strong volumes need it: install it (Debian and Ubuntu: apt-get install etcd-server; elsewhere etcd 3.4 or later from https://github.com/etcd-io/etcd/releases), or name an etcd that you run with --etcd. Without, nodes find one another, and strong volumes live on the node that made them`,
    { details: { program: wanted ?? PROGRAM } },
  )
}

/** A founder that began anew would be another cluster by the same name. */
function noData(path: string): ShoalError {
  return new ShoalError('UNAVAILABLE', `What etcd kept in "${path}" is gone, and its member is not begun anew by the same name`, {
    details: { path },
  })
}

/** Folders stay: etcd takes empty ones for none. */
async function removeFiles(files: Files, path: string): Promise<void> {
  for (const name of (await files.list(path)) ?? []) {
    const child = join(path, name)
    if ((await files.facts(child))?.kind === 'folder') await removeFiles(files, child)
    else await files.remove(child)
  }
}
