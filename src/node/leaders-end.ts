import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { LogEnd } from '#kv/quiet-time.ts'
import type { ReplicatedStore } from '#kv/replicated.ts'
import type { Leader } from '#sharedlog/log.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { WirePeers } from '#wire/peers.ts'
import { parseAddress } from './store-leadership.ts'

const METHOD = 'metadata.end'
/** It waits for one flush of etcd. A node that takes longer is busy or lost, and the log is asked. */
const DEADLINE_MS = 1_000

/** Tells followers where the log ends, as long as this node leads: docs/formats/log-entry.md. */
export function leadersEndMethods(store: Pick<ReplicatedStore, 'leadersEnd'>): WireMethods {
  const handle = async () => {
    const end = await store.leadersEnd()
    if (end === undefined) throw new ShoalError('UNAVAILABLE', 'This node does not lead the metadata')
    return { header: { ...end } }
  }
  return { [METHOD]: { handle } }
}

/** Asks `leader`. @throws UNAVAILABLE, TIMEOUT; UNSUPPORTED by a node of a release that doesn't know the call */
export async function askLeadersEnd(wire: Pick<WirePeers, 'call'>, leader: Leader): Promise<LogEnd> {
  const { host, nodePort: port } = parseAddress(leader.address)
  const { header } = await wire.call({ host, port, nodeId: leader.id as NodeId }, METHOD, { deadlineMs: DEADLINE_MS })
  // Nodes of earlier releases promise nothing.
  const { end, quietMs = 0 } = (header ?? {}) as Record<string, unknown>
  if (Number.isSafeInteger(end) && Number.isSafeInteger(quietMs)) return { end: end as number, quietMs: quietMs as number }
  throw new ShoalError('UNAVAILABLE', 'The answer to a question for the end of the log makes no sense')
}
