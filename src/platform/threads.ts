/** Another thread of this process, as the one sees it that has started it. */
export interface Thread {
  /** Copies the message, but for memory that is shared. */
  post(message: unknown): void
}

export interface ThreadEvents {
  readonly message: (message: unknown) => void
  /** Once. Without an error it has ended by itself. */
  readonly ended: (error: Error | undefined) => void
}

/** What a thread has of the one that has started it. */
export interface ThreadParent {
  /** What it was started with. */
  readonly data: unknown
  post(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
  /** Nothing more is received, which would keep this thread alive. */
  close(): void
}

export interface Threads {
  /** Cores of this machine, as far as this process may use them. */
  readonly cores: number
  /** Whether several of them can listen at one port. */
  readonly canSharePorts: boolean
  /** Runs a module in a thread of its own. */
  start(module: URL, data: unknown, events: ThreadEvents): Thread
  /** What share of the time since the call before this thread was busy; of its whole life at first. */
  busyShare(): number
  /** How many cores of the machine, in sum, had nothing to do since the call before; since it was started at first. */
  idleCores(): number
}
