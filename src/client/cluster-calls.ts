import { jsonBody } from './call-parts.ts'
import type { SendJson } from './key-calls.ts'
import type { RemoteDrain, RemoteJoinToken, RemoteNode } from './wire.ts'

/** All nodes that run take part, and the slowest is waited for. */
const ROTATION_MS = 60_000

/** The nodes of the cluster: for the principal `root` alone. @throws FORBIDDEN, NOT_FOUND */
export class ClusterCalls {
  readonly #send: SendJson

  constructor(send: SendJson) {
    this.#send = send
  }

  async nodes(): Promise<readonly RemoteNode[]> {
    return (await this.#send<{ nodes: RemoteNode[] }>({ method: 'GET', path: '/nodes' })).nodes
  }

  /** Takes its id away for good. `lost` says that it has taken along for good what it alone had, `force` that it may run and not be drained.
   *  @throws NOT_PERMITTED for the home of the volumes unless it is lost, and doesn't run; CONFLICT for a node that runs and isn't drained, unless
   *  that is forced */
  async remove(
    id: string,
    { lost = false, force = false }: { readonly lost?: boolean; readonly force?: boolean } = {},
  ): Promise<void> {
    const flags = [...(lost ? ['lost'] : []), ...(force ? ['force'] : [])]
    const path = `/nodes/${encodeURIComponent(id)}/remove${flags.length === 0 ? '' : `?${flags.join('&')}`}`
    await this.#send<undefined>({ method: 'POST', path, idempotent: false })
  }

  drain(id: string): Promise<RemoteNode> {
    return this.#decide(id, 'drain')
  }

  /** How far that is, and what keeps it from its end. @throws CONFLICT if it isn't to be drained, UNAVAILABLE while nobody leads */
  drainOf(id: string): Promise<RemoteDrain> {
    return this.#send({ method: 'GET', path: `/nodes/${encodeURIComponent(id)}/drain` })
  }

  makeReadonly(id: string): Promise<RemoteNode> {
    return this.#decide(id, 'readonly')
  }

  /** Takes `drain` and `makeReadonly` back. */
  activate(id: string): Promise<RemoteNode> {
    return this.#decide(id, 'activate')
  }

  /** 1 is usual; 0, or 0.001 to 1,000. @throws INVALID_ARGUMENT */
  setWeight(id: string, weight: number): Promise<RemoteNode> {
    return this.#send({ method: 'PUT', path: `/nodes/${encodeURIComponent(id)}/weight`, ...jsonBody({ weight }) })
  }

  #decide(id: string, word: string): Promise<RemoteNode> {
    return this.#send({ method: 'POST', path: `/nodes/${encodeURIComponent(id)}/${word}`, idempotent: true })
  }

  /** A line that lets `uses` nodes in, one unless given, for a day unless given. The answer is the only one that has it. */
  createToken(options: { readonly uses?: number; readonly lifeSeconds?: number } = {}): Promise<RemoteJoinToken> {
    return this.#send({ method: 'POST', path: '/cluster/tokens', ...jsonBody(options), idempotent: false })
  }

  /** Gives all nodes that run another key for their gossip. @throws CONFLICT, UNAVAILABLE */
  async rotateKey(): Promise<void> {
    await this.#send<undefined>({ method: 'POST', path: '/cluster/rotate-key', idempotent: false, silenceTimeoutMs: ROTATION_MS })
  }
}
