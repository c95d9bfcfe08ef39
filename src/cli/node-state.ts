import type { RemoteNode } from '#client/wire.ts'

/** The state of a node as people read it: `draining 42 %`. */
export function nodeState({ state, drained }: Pick<RemoteNode, 'state' | 'drained'>): string {
  return state === 'draining' && typeof drained === 'number' ? `draining ${Math.floor(drained * 100)} %` : state
}
