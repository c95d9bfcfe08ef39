import type { ShoalClient } from '#client/shoal-client.ts'
import type { RemoteNode } from '#client/wire.ts'
import { ShoalError } from '#foundation/errors.ts'
import { usageError } from './usage-error.ts'

/** So short that a typing error hardly names another node. */
const PREFIX_CHARACTERS_MIN = 4

/** The node that an operand names by its id, by as much of its beginning as no other node's id begins with, or by its host, if it is the
 *  only one there: those that are down count too. @throws NOT_FOUND; a usage error if it is too short or means several */
export async function findNode(client: ShoalClient, named: string): Promise<RemoteNode> {
  const nodes = await client.cluster.nodes()
  const there = nodes.filter(({ host }) => host === named)
  if (there.length > 1) throw usageError(`There are ${there.length} nodes at "${named}": name the one you mean by its id`)
  if (there[0] !== undefined) return there[0]
  if (named.length < PREFIX_CHARACTERS_MIN)
    throw usageError(`"${named}" is too short for the id of a node: give ${PREFIX_CHARACTERS_MIN} characters at least`)
  const found = nodes.filter(({ id }) => id.startsWith(named.toLowerCase()))
  if (found.length > 1) throw usageError(`"${named}" is how the ids of ${found.length} nodes begin: give more of it`)
  const [node] = found
  if (node === undefined)
    throw new ShoalError(
      'NOT_FOUND',
      `There is no node whose id begins with "${named}", nor one at that host: shoal node list shows them`,
    )
  return node
}
