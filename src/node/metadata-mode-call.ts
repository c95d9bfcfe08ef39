// How a node that joined while the strong volumes lived on one node learns that they no longer do: it asks, at its next start.

import type { Log } from '#observe/log.ts'
import type { Files } from '#platform/files.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { PeerAddress } from '#wire/peer-connections.ts'
import type { WirePeers } from '#wire/peers.ts'
import { decodeMetadataMode, encodeMetadataMode, modeForJoining, publishMetadataMode, readMetadataMode } from './metadata-mode.ts'

const METHOD = 'metadata.mode'
/** For one node: whoever is down is not waited for any longer, and the start goes on. */
const ANSWER_MS_MAX = 2_000

/** Tells others where the metadata is agreed on. */
export function modeMethods(dataPath: string, files: Files): WireMethods {
  const handle = async () => ({
    header: JSON.stringify(encodeMetadataMode(modeForJoining(await readMetadataMode(files, dataPath)))),
  })
  return { [METHOD]: { handle } }
}

/** Keeps what one of `nodes` says, if it is that several nodes have the metadata now. @throws DATA_FORMAT, NO_SPACE, STORAGE_FAILED */
export async function learnMetadataMode(options: {
  readonly dataPath: string
  readonly nodes: readonly PeerAddress[]
  readonly peers: Pick<WirePeers, 'call'>
  readonly files: Files
  readonly log: Log
}): Promise<void> {
  const { dataPath, nodes, peers, files, log } = options
  if ((await readMetadataMode(files, dataPath)).kind !== 'home') return
  const answers = await Promise.all(
    nodes.map(async (node) => {
      try {
        const { header } = await peers.call(node, METHOD, { deadlineMs: ANSWER_MS_MAX })
        return decodeMetadataMode(JSON.parse(typeof header === 'string' ? header : ''))
      } catch (error) {
        log.debug('a node did not say where the metadata is agreed on', { node: node.nodeId, error })
        return undefined
      }
    }),
  )
  const mode = answers.find((answer) => answer !== undefined && answer.kind !== 'home')
  if (mode === undefined) return
  await publishMetadataMode(files, dataPath, mode)
  log.info('the metadata of the cluster is on several nodes now, this one among them', { kind: mode.kind })
}
