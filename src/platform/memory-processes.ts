import { ShoalError } from '#foundation/errors.ts'
import type { Child, ChildOptions, EndSignal, ProcessEnd, ProcessFacts, Processes } from './processes.ts'

/** Processes that only a test knows of: they run until it ends them, or until they are told to. */
export class MemoryProcesses implements Processes {
  readonly architecture = 'amd64'
  /** The oldest first. */
  readonly started: MemoryChild[] = []
  /** Of processes that something else started. */
  readonly others = new Map<number, ProcessFacts>()
  /** What was sent to those. */
  readonly sent: { readonly pid: number; readonly signal: EndSignal }[] = []
  /** The next starts fail. */
  isBroken = false
  readonly #programs: ReadonlySet<string>

  constructor(programs: readonly string[]) {
    this.#programs = new Set(programs)
  }

  async find(program: string): Promise<string | undefined> {
    if (!this.#programs.has(program)) return undefined
    return program.startsWith('/') ? program : `/usr/bin/${program}`
  }

  async start(options: ChildOptions): Promise<MemoryChild> {
    if (this.isBroken) throw new ShoalError('UNAVAILABLE', `Cannot start "${options.program}"`)
    const child = new MemoryChild(this.started.length + 1_000, options)
    this.started.push(child)
    return child
  }

  async facts(pid: number): Promise<ProcessFacts | undefined> {
    const child = this.started.find((started) => started.pid === pid && !started.hasEnded)
    return child === undefined
      ? this.others.get(pid)
      : { startMark: `memory/${pid}`, args: [child.options.program, ...child.options.args] }
  }

  signal(pid: number, signal: EndSignal): boolean {
    this.sent.push({ pid, signal })
    return this.others.delete(pid)
  }
}

export class MemoryChild implements Child {
  readonly pid: number
  readonly options: ChildOptions
  readonly signals: EndSignal[] = []
  hasEnded = false
  /** Doesn't end at a SIGTERM. */
  isStubborn = false
  readonly #ended = Promise.withResolvers<ProcessEnd>()

  constructor(pid: number, options: ChildOptions) {
    this.pid = pid
    this.options = options
  }

  get ended(): Promise<ProcessEnd> {
    return this.#ended.promise
  }

  signal(signal: EndSignal): void {
    if (this.hasEnded) return
    this.signals.push(signal)
    if (signal === 'SIGKILL' || !this.isStubborn) this.end({ signal })
  }

  end(how: ProcessEnd): void {
    this.hasEnded = true
    this.#ended.resolve(how)
  }
}
