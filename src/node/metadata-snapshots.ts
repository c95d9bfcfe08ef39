import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { decodePages, encodePages } from '#kv/snapshot-codec.ts'
import type { SnapshotSource, StateSnapshot } from '#kv/snapshot-transfer.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { PeerAddress } from '#wire/peer-connections.ts'
import type { WirePeers } from '#wire/peers.ts'

const METHOD = 'metadata.snapshot'
/** A hundred gigabytes at a hundred megabytes a second, and as much again. */
const DEADLINE_MS = 2_000_000
/** Whoever has snapshots of this many nodes under way has others wait: each keeps old pages of the store from being used again. */
const UNDER_WAY_MAX = 4

/** Sends this node's metadata to others that are too far behind the log. */
export function snapshotMethods(store: { snapshot(): StateSnapshot }): WireMethods {
  let underWay = 0
  return {
    [METHOD]: {
      handle: async ({ signal }) => {
        if (underWay >= UNDER_WAY_MAX) throw new ShoalError('BUSY', 'This node sends its metadata to several others already')
        const { stateId, index, pages } = store.snapshot()
        underWay += 1
        const walk = counted(pages, () => (underWay -= 1))
        // A walk that nobody has begun lets go of nothing when it ends.
        const first = await walk.next()
        signal.addEventListener('abort', () => void walk.return(), { once: true })
        if (signal.aborted) await walk.return()
        return { header: { stateId: stateId.toString('hex'), index }, body: withFirst(first, walk) }
      },
    },
  }
}

async function* counted(pages: StateSnapshot['pages'], ended: () => void): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* encodePages(pages)
  } finally {
    ended()
  }
}

async function* withFirst(
  first: IteratorResult<Buffer, void>,
  rest: AsyncGenerator<Buffer, void, undefined>,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    if (first.done !== true) yield first.value
    yield* rest
  } finally {
    await rest.return()
  }
}

/** A node that may have the metadata. */
export interface SnapshotPeer {
  readonly nodeId: NodeId
  readonly address: PeerAddress
}

export interface WireSnapshotsOptions {
  readonly wire: Pick<WirePeers, 'call'>
  /** Those that run, the best first: whoever leads has all. */
  readonly peers: () => readonly SnapshotPeer[]
}

/** Fetches the metadata from another node. */
export class WireSnapshots implements SnapshotSource {
  readonly #options: WireSnapshotsOptions

  constructor(options: WireSnapshotsOptions) {
    this.#options = options
  }

  async fetchSnapshot(signal: AbortSignal): Promise<StateSnapshot> {
    let failure: unknown
    for (const { address } of this.#options.peers()) {
      try {
        return await this.#fetch(address, signal)
      } catch (cause) {
        failure = cause
      }
    }
    throw new ShoalError('UNAVAILABLE', 'No other node could send its metadata', { cause: failure })
  }

  async #fetch(address: PeerAddress, signal: AbortSignal): Promise<StateSnapshot> {
    const { header, body } = await this.#options.wire.call(address, METHOD, { signal, deadlineMs: DEADLINE_MS })
    const { stateId, index } = (header ?? {}) as Record<string, unknown>
    if (typeof stateId === 'string' && /^[0-9a-f]{32}$/.test(stateId) && Number.isSafeInteger(index))
      return { stateId: Buffer.from(stateId, 'hex'), index: index as number, pages: decodePages(body) }
    body.cancel()
    throw new ShoalError('UNAVAILABLE', 'The answer to a request for the metadata makes no sense')
  }
}
