import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import { SIGNAL_ECHO_MS } from '#platform/signal-echo.ts'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** The part of a process that is told of signals. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown
  off(signal: NodeJS.Signals, listener: () => void): unknown
}

export interface Interruption {
  /** Aborted with CANCELLED by the first signal. */
  readonly signal: AbortSignal
  /** Leaves signals to others. Repeating it is harmless. */
  stop(): void
}

/** The first signal lets a command stop in order, the second calls `endNow`. */
export function watchInterrupts(
  source: SignalSource | undefined,
  { clock, endNow }: { readonly clock: Clock; readonly endNow: () => void },
): Interruption {
  const controller = new AbortController()
  let firstAtMs: number | undefined
  const onSignal = () => {
    const nowMs = clock.monotonicMs()
    firstAtMs ??= nowMs
    if (!controller.signal.aborted) controller.abort(new ShoalError('CANCELLED', 'Interrupted'))
    else if (nowMs - firstAtMs >= SIGNAL_ECHO_MS) endNow()
  }
  for (const name of SIGNALS) source?.on(name, onSignal)
  return {
    signal: controller.signal,
    stop() {
      for (const name of SIGNALS) source?.off(name, onSignal)
    },
  }
}
