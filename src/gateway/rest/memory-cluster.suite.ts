import { ShoalError } from '#foundation/errors.ts'
import type { ClusterAdmin, NodePosture } from './cluster-admin.ts'
import type { NodeDocument } from './node-schemas.ts'

export const HOME_ID = 'aa'.repeat(16)
export const OTHER_ID = 'bb'.repeat(16)

const HOME: NodeDocument = {
  id: HOME_ID,
  state: 'alive',
  since: '2026-11-20T12:00:00.000000000Z',
  self: true,
  home: true,
  host: '127.0.0.1',
  nodePort: 7402,
  restPort: 7400,
  s3Port: 7401,
  roles: ['store', 'meta', 'gateway'],
  zone: 'default',
  weight: 1,
  clockAheadMs: 0,
  capacityBytes: 1_000,
  usedBytes: 10,
  version: '0',
  incarnation: 1,
  drained: null,
}

/** A cluster of two, of which the first is the home. */
export class MemoryCluster implements ClusterAdmin {
  #nodes: readonly NodeDocument[] = [HOME, { ...HOME, id: OTHER_ID, self: false, home: false, restPort: 8400 }]
  #isRotating = false

  nodes(): readonly NodeDocument[] {
    return this.#nodes
  }

  async removeNode(id: string, { isForced = false }: { readonly isForced?: boolean } = {}): Promise<void> {
    if (id === HOME_ID) throw new ShoalError('NOT_PERMITTED', 'The volumes are served from it')
    if (!this.#nodes.some((node) => node.id === id)) throw new ShoalError('NOT_FOUND', `There is no node "${id}"`)
    const isDraining = this.#nodes.some((node) => node.id === id && node.state === 'draining')
    if (isDraining && !isForced) throw new ShoalError('CONFLICT', 'It runs, and is not drained')
    this.#nodes = this.#nodes.filter((node) => node.id !== id)
  }

  async setNode(id: string, { posture, weight }: { posture?: NodePosture; weight?: number }): Promise<NodeDocument> {
    const before = this.#nodes.find((node) => node.id === id)
    if (before === undefined) throw new ShoalError('NOT_FOUND', `There is no node "${id}"`)
    const state = posture === undefined ? before.state : posture === 'active' ? 'alive' : posture
    const after = { ...before, state, weight: weight ?? before.weight }
    this.#nodes = this.#nodes.map((node) => (node.id === id ? after : node))
    return after
  }

  async issueToken({
    uses,
    lifeMs,
  }: {
    readonly uses: number
    readonly lifeMs: number
  }): Promise<{ token: string; expiresMs: number }> {
    return { token: `shoal1.${uses}`, expiresMs: lifeMs }
  }

  /** The second one ends before it has begun. */
  async rotateKey(): Promise<void> {
    if (this.#isRotating) throw new ShoalError('CONFLICT', 'It goes on already')
    this.#isRotating = true
  }
}
