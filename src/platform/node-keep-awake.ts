import { closeSync, openSync, writeSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { KeepAwake } from './keep-awake.ts'

/** Who keeps it open is woken up within so many microseconds as he has written to it: Documentation/power/pm_qos_interface.rst of Linux. */
const LATENCY_FILE = '/dev/cpu_dma_latency'
/** Of more than that most would be kept awake for nobody. */
const PROCESSORS_MAX = 4

/** By Linux' PM QoS, as root, on machines with few processors. */
export const nodeKeepAwake: KeepAwake = () => (availableParallelism() > PROCESSORS_MAX ? undefined : keptAwake(LATENCY_FILE))

export function keptAwake(latencyFile: string): (() => void) | undefined {
  let fd: number | undefined
  try {
    fd = openSync(latencyFile, 'r+')
    writeSync(fd, Buffer.alloc(4))
  } catch {
    if (fd !== undefined) closeSync(fd)
    return undefined
  }
  const held = fd
  return () => closeSync(held)
}
