import type { FlushedState, KeptState } from './commit-base.ts'
import { nameOfKey } from './key-name.ts'
import { mergedRange } from './merged-range.ts'
import type { WriteSet } from './write-set.ts'

/** What `key` has in `state` as it looks under `layers`, the newest first. */
export function getThrough(
  layers: readonly WriteSet[],
  state: FlushedState,
  key: Uint8Array,
  name = nameOfKey(key),
): Buffer | undefined {
  for (const layer of layers) {
    const write = layer.get(name)
    if (write !== undefined) return write.value === undefined ? undefined : Buffer.from(write.value)
  }
  return state.get(key, name)
}

/** `state` as it looks under `layers`, which must not change any more. */
export function keepThrough(layers: readonly WriteSet[], state: KeptState): KeptState {
  return {
    get: (key) => getThrough(layers, state, key),
    range: (interval) => mergedRange(state, layers, interval),
    release: () => state.release(),
  }
}
