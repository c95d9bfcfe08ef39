/** What the machine is called on its network. */
export interface Machine {
  readonly hostName: string
  /** Addresses under which others may reach it now: without loopback, and without those that need an interface's name. */
  addresses(): readonly string[]
}
