import type { NodeDocument } from './node-schemas.ts'

/** What was decided about a node: `readonly` gets no new chunks, `draining` gives its own away too. */
export type NodePosture = 'active' | 'readonly' | 'draining'

/** What the REST door can ask of the cluster. */
export interface ClusterAdmin {
  /** All nodes that are known to the one that answers, this one included, by id. */
  nodes(): readonly NodeDocument[]
  /** Takes the node's id away for good: it is refused from then on, also if it comes back. Kept when the promise resolves. `isLost` says that it has
   *  taken along for good what it alone had: then any node removes the home of all strong volumes, once that doesn't run any more. `isForced`
   *  says that a node may be removed that runs and is not drained.
   *  @throws NOT_FOUND; CONFLICT for a node that runs and is not drained, unless that is forced; NOT_PERMITTED for the node from which the volumes are served; UNAVAILABLE at a node that doesn't lead;
   *  TOO_LARGE, NO_SPACE, STORAGE_FAILED */
  removeNode(id: string, options?: { readonly isLost?: boolean; readonly isForced?: boolean }): Promise<void>
  /** Decides about a node, also one that is away. Kept when the promise resolves; chunks move after it.
   *  @throws NOT_FOUND; INVALID_ARGUMENT for a weight that can't be; UNAVAILABLE at a node that doesn't lead; NO_SPACE, STORAGE_FAILED */
  setNode(id: string, change: { readonly posture?: NodePosture; readonly weight?: number }): Promise<NodeDocument>
  /** A line that lets `uses` nodes in for `lifeMs`. @throws BUSY if there are too many that nobody has used; NO_SPACE, STORAGE_FAILED */
  issueToken(options: {
    readonly uses: number
    readonly lifeMs: number
  }): Promise<{ readonly token: string; readonly expiresMs: number }>
  /** Gives all nodes that run another key for their gossip. @throws CONFLICT while it goes on already; UNAVAILABLE if a node
   *  doesn't take it: it can be done again then; NO_SPACE, STORAGE_FAILED */
  rotateKey(): Promise<void>
}
