import { collectYoung, isHeapKeptSmall } from './node-heap.ts'

/** With twice as many V8 has begun to mark now and then before the last ones were given back. */
const ARRIVED_BYTES_MAX = 16 * 1024 * 1024
/** A heap that may grow by less is marked sooner. */
const ARRIVED_BYTES_MAX_IF_SMALL = 8 * 1024 * 1024

let arrivedBytes = 0

/** Is told of bytes that have come in buffers of their own, of 16 to 64 KiB, as sockets give them out. V8 collects its youngest objects
 *  once there are 8 MiB of them, and to 8 MiB of such objects belong some hundred MiB of buffers; long before that the memory outside
 *  its heap has it mark the whole heap, over and over: a third of the processor time of three nodes that took in 60 MiB/s. So the
 *  youngest are collected after so many bytes. */
export function countArrived(bytes: number): void {
  arrivedBytes += bytes
  if (arrivedBytes < (isHeapKeptSmall() ? ARRIVED_BYTES_MAX_IF_SMALL : ARRIVED_BYTES_MAX)) return
  arrivedBytes = 0
  collectYoung()
}
