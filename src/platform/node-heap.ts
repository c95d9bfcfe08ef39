import { setFlagsFromString } from 'node:v8'

/** By how many percent of what lives the heap may grow until it is collected again. V8 lets it grow to several times as much on a
 *  machine with much memory, which is right for a server that has the machine for itself. */
const GROWTH_PERCENT = 20

/** From now on memory counts for more than time: for processes that stand beside others. */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
}
