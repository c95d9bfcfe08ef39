import type { RemoteNode } from '#client/wire.ts'
import { humanDuration } from './units.ts'

/** The state of a node as people read it: `draining 42 %`. */
export function nodeState({ state, drained }: Pick<RemoteNode, 'state' | 'drained'>): string {
  return state === 'draining' && typeof drained === 'number' ? `draining ${Math.floor(drained * 100)} %` : state
}

/** Of the clock of another node, seen from the one that answers: `3.2 s ahead`. */
export function clockDifference(aheadMs: number): string {
  const ms = Math.abs(aheadMs)
  const long = ms < 1_000 ? `${ms} ms` : ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : humanDuration(ms)
  return `${long} ${aheadMs < 0 ? 'behind' : 'ahead'}`
}
