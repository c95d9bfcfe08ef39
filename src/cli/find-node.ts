import type { ShoalClient } from '#client/shoal-client.ts'
import type { RemoteNode } from '#client/wire.ts'
import { ShoalError } from '#foundation/errors.ts'
import { usageError } from './usage-error.ts'

/** So short that a typing error hardly names another node. */
const PREFIX_CHARACTERS_MIN = 4

/** The node that an operand names by its id, or by as much of its beginning as no other node's id begins with.
 *  @throws NOT_FOUND; a usage error if it is too short or means several */
export async function findNode(client: ShoalClient, named: string): Promise<RemoteNode> {
  if (named.length < PREFIX_CHARACTERS_MIN)
    throw usageError(`"${named}" is too short for the id of a node: give ${PREFIX_CHARACTERS_MIN} characters at least`)
  const found = (await client.cluster.nodes()).filter(({ id }) => id.startsWith(named.toLowerCase()))
  if (found.length > 1) throw usageError(`"${named}" is how the ids of ${found.length} nodes begin: give more of it`)
  const [node] = found
  if (node === undefined)
    throw new ShoalError('NOT_FOUND', `There is no node whose id begins with "${named}": shoal node list shows them`)
  return node
}
