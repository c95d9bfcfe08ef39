// What one run of one workload against one server came to, whichever program loaded it.

import type { Outcome } from './operations.ts'
import type { ProcessUsage } from './process-usage.ts'

export interface MeasureResult extends Outcome {
  readonly measure: string
  readonly cpuSecondsPerGiB: number | undefined
  readonly cpuSecondsPerThousand: number
  /** Cores that the generator had, on average, and those that neither it nor the server had: others disturbed the run. */
  readonly generatorCores: number
  readonly otherCores: number
}

export interface RunResult {
  readonly command: string
  readonly measures: readonly MeasureResult[]
  /** Of the server, preparation included. */
  readonly peakRssBytes: number
}

const BYTES_PER_GIB = 1024 ** 3

/** An outcome with what the server's processes took for it. */
export function withUsage(
  outcome: Outcome,
  {
    measure,
    usage,
    generatorSeconds,
  }: { readonly measure: string; readonly usage: ProcessUsage; readonly generatorSeconds: number },
): MeasureResult {
  const { fromMs, toMs } = outcome
  const seconds = (toMs - fromMs) / 1000
  const cpuSeconds = usage.cpuSecondsBetween(fromMs, toMs)
  const gibibytes = (outcome.bytesPerSecond * seconds) / BYTES_PER_GIB
  return {
    ...outcome,
    measure,
    cpuSecondsPerGiB: gibibytes === 0 ? undefined : cpuSeconds / gibibytes,
    cpuSecondsPerThousand: cpuSeconds / ((outcome.operationsPerSecond * seconds) / 1000),
    generatorCores: generatorSeconds / seconds,
    otherCores: Math.max(0, usage.allCpuSecondsBetween(fromMs, toMs) - cpuSeconds - generatorSeconds) / seconds,
  }
}
