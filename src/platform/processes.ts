export type EndSignal = 'SIGTERM' | 'SIGKILL'

export interface ProcessEnd {
  /** Of a program that ended by itself. */
  readonly exitCode?: number
  /** What ended it otherwise. */
  readonly signal?: string
}

export interface ChildOptions {
  /** Absolute. */
  readonly program: string
  readonly args: readonly string[]
  /** All that it gets: nothing of this process's own. */
  readonly environment: Readonly<Record<string, string>>
  /** Told of each line on its standard error, without the line feed; of a long line, of its first 4 KiB. Its standard input and
   *  output are nothing. */
  readonly onErrorLine: (line: string) => void
}

/** A process that this one started, from its main thread. It doesn't outlive this one, however this one ends. */
export interface Child {
  readonly pid: number
  /** Resolves when it has ended and all its lines have been told. Never rejects. */
  readonly ended: Promise<ProcessEnd>
  /** Nothing happens once it has ended. */
  signal(signal: EndSignal): void
}

/** What tells one process from all others, before and after. */
export interface ProcessFacts {
  /** Its start, in a form that no other process with the same number has, on this machine or another. */
  readonly startMark: string
  /** The program as it was called, and its arguments. */
  readonly args: readonly string[]
}

/** Other programs, as everything else in Shoal gets to see them. */
export interface Processes {
  /** The processor's architecture by Go's name, such as `amd64`. */
  readonly architecture: string
  /** The absolute path of a program: of a name, in the folders of the PATH; undefined if there is none that may be run. */
  find(program: string): Promise<string | undefined>
  /** Starts a program in a session of its own, so that a terminal's interrupt is not for it.
   *  @throws UNAVAILABLE: it can't be started */
  start(options: ChildOptions): Promise<Child>
  /** Undefined if there is no such process, or the system doesn't tell: Linux does. */
  facts(pid: number): Promise<ProcessFacts | undefined>
  /** Sends to any process; false if there is none, or it may not be sent to. */
  signal(pid: number, signal: EndSignal): boolean
}

/** Of a longer line the rest is left out. */
export const LINE_BYTES_MAX = 4_096
