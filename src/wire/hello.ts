import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { nodeUri } from '#foundation/node-uri.ts'
import type { PeerProof } from '#platform/sockets.ts'
import type { Hello } from './messages.ts'

/** The versions of the protocol that this release speaks. A release speaks those of the release before it too. */
export const PROTOCOL_VERSIONS = { min: 1, max: 1 } as const

/** The highest version that both speak. @throws UNSUPPORTED if there is none */
export function negotiate(own: Hello, peer: Hello): number {
  const version = Math.min(own.versions.max, peer.versions.max)
  if (version >= Math.max(own.versions.min, peer.versions.min)) return version
  const older = own.versions.max < peer.versions.max ? 'this one' : 'that one'
  throw new ShoalError(
    'UNSUPPORTED',
    `Node ${peer.nodeId} runs Shoal ${peer.software} and speaks ${spoken(peer)} of the protocol between nodes; this one runs ${own.software} and speaks ${spoken(own)}. Upgrade ${older}, release by release`,
    { details: { peerMin: peer.versions.min, peerMax: peer.versions.max } },
  )
}

/** What OpenSSL says of a certificate when one of two clocks is wrong. */
const CLOCK_VERDICTS: Readonly<Record<string, string>> = {
  CERT_NOT_YET_VALID: 'is not valid yet',
  CERT_HAS_EXPIRED: 'has run out',
}

/** Whether whoever says `peer` may be believed. @throws UNAUTHENTICATED, with what doesn't fit */
export function checkPeer(own: Hello, peer: Hello, proof: PeerProof): void {
  const byClock = proof.kind === 'refused' ? CLOCK_VERDICTS[proof.why] : undefined
  if (byClock !== undefined) throw refusal(own, peer, `the certificate of the first ${byClock} by the clock of the second`)
  if (proof.kind === 'refused') {
    throw refusal(
      own,
      peer,
      `the certificate of the first is not one that the authority of the second vouches for (${proof.why})`,
    )
  }
  if (peer.clusterId !== own.clusterId) {
    throw refusal(own, peer, `the first belongs to cluster ${peer.clusterId}, the second to ${own.clusterId}`)
  }
  if (proof.kind === 'proven' && !proof.uris.includes(nodeUri(peer))) {
    throw refusal(own, peer, `the certificate that the first shows is for "${proof.uris.join('", "')}"`)
  }
}

/** @throws UNAVAILABLE if at the address of node `expected` there is another one */
export function checkExpected(expected: NodeId | undefined, peer: Hello): void {
  if (expected !== undefined && expected !== peer.nodeId) {
    throw new ShoalError('UNAVAILABLE', `Another node is there: ${peer.nodeId} instead of ${expected}`)
  }
}

function spoken({ versions: { min, max } }: Hello): string {
  return min === max ? `version ${min}` : `versions ${min} to ${max}`
}

/** Either side may read it. */
function refusal(own: Hello, peer: Hello, why: string): ShoalError {
  return new ShoalError('UNAUTHENTICATED', `Node ${peer.nodeId} is refused by node ${own.nodeId}: ${why}`)
}
