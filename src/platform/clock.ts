/** Time, as everything else in Shoal gets to see it. */
export interface Clock {
  /** Milliseconds since 1970, UTC. May jump when the operator sets the clock. */
  nowMs(): number
  /** Nanoseconds since 1970, UTC. */
  nowNs(): bigint
  /** Milliseconds that never jump, from an arbitrary start: for durations. */
  monotonicMs(): number
  /** Resolves after `delayMs`, or rejects with CANCELLED once `signal` aborts. Doesn't keep the process alive. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}
