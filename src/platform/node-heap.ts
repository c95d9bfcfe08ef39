import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** By how many percent of what lives the heap may grow until it is collected again: less, the more there is. V8 lets it grow to
 *  several times as much on a machine with much memory, which is right for a server that has the machine for itself. */
const GROWTH = [
  { untilBytes: 60 * 1024 * 1024, percent: 60 },
  { untilBytes: 90 * 1024 * 1024, percent: 35 },
  { untilBytes: Infinity, percent: 20 },
] as const
const LOOK_MS = 2_000

type Collect = (how: { readonly type: 'minor' } | { readonly type: 'major'; readonly flavor: 'last-resort' }) => void

let collect: Collect | undefined
let isKeptSmall = false

/** From now on memory counts for more than time: for processes that stand beside others. */
export function keepHeapSmall(): void {
  isKeptSmall = true
  // Several threads that collect some megabytes together wait for each other where few processors are shared: they took half as long again as
  // one, and as much of the processors besides.
  setFlagsFromString('--no-parallel-scavenge')
  let set: number | undefined
  const look = (): void => {
    const { used_heap_size: usedBytes } = getHeapStatistics()
    const percent = GROWTH.find(({ untilBytes }) => usedBytes < untilBytes)?.percent
    if (percent === set) return
    set = percent
    setFlagsFromString(`--heap-growing-percent=${percent}`)
  }
  look()
  setInterval(look, LOOK_MS).unref()
}

/** Whether `keepHeapSmall` was called. */
export function isHeapKeptSmall(): boolean {
  return isKeptSmall
}

/** From now on the heap is marked once it is twice what lives in it. V8 lets it grow by as much as has the collector take 3 % of its own thread's time, and
 *  that is a tenth for a heap that hardly changes; but it marks in threads of its own besides, which on few cores take turns with whoever
 *  serves: nodes that took in chunks marked their 40 MB twice a second each, which cost a third of their processor time. */
export function markSeldom(): void {
  setFlagsFromString('--heap-growing-percent=100')
}

/** Gives the system back what isn't used any more, which a process that has nothing to do doesn't do by itself. Nothing else is done
 *  meanwhile, for some tens of milliseconds. */
export function collectHeap(): void {
  collector()({ type: 'major', flavor: 'last-resort' })
}

/** Collects the youngest objects, which takes some 0.2 ms. */
export function collectYoung(): void {
  collector()({ type: 'minor' })
}

function collector(): Collect {
  if (collect !== undefined) return collect
  // Contexts that are made while the flag is set have the function; nobody else gets it.
  setFlagsFromString('--expose-gc')
  collect = runInNewContext('gc') as Collect
  setFlagsFromString('--no-expose-gc')
  return collect
}
