// What a joining node and the one that lets it in say to each other: docs/formats/join-token.md.

import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Random } from '#platform/random.ts'
import type { SocketAddress } from '#platform/sockets.ts'
import { decodeIdentity } from './identity-file.ts'
import type { IdentityRecord } from './identity-file.ts'

export const JOIN_METHOD = 'cluster.join'
/** The blob of the caller above all: a cluster's access keys. */
export const JOIN_ANSWER_BYTES_MAX = 8 * 1024 * 1024

/** The header of the request: JSON. */
export interface JoinRequest {
  readonly tokenId: string
  readonly clusterId: string
  readonly nodeId: NodeId
  /** The request for a certificate, PEM. */
  readonly request: string
  /** 16 random bytes in hexadecimal: the answer is sealed for it. */
  readonly nonce: string
  /** HMAC-SHA256 over all of the above, in hexadecimal: whoever knows the token made it. */
  readonly proof: string
}

/** What the new node gets, sealed. */
export interface JoinAnswer {
  /** All but the key of the new node, which it has itself. */
  readonly certificate: string
  readonly authority: IdentityRecord['authority']
  /** As `encodeRing` wrote it. */
  readonly gossip: unknown
  readonly seeds: readonly SocketAddress[]
  /** What the caller adds. */
  readonly bootstrap: Buffer
}

const NONCE_BYTES = 12
const TAG_BYTES = 16

export function proofOf(verifier: Buffer, { tokenId, clusterId, nodeId, request, nonce }: Omit<JoinRequest, 'proof'>): Buffer {
  const said = JSON.stringify(['shoal join', tokenId, clusterId, nodeId, request, nonce])
  return createHmac('sha256', verifier).update(said).digest()
}

/** AES-256-GCM with a key that only the two that know the token have: nonce, ciphertext, tag. So it is safe without TLS too. */
export function sealAnswer(answer: JoinAnswer, verifier: Buffer, joinNonce: string, random: Random): Buffer {
  const text = JSON.stringify({ ...answer, bootstrap: answer.bootstrap.toString('base64') })
  const nonce = random.bytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', answerKey(verifier, joinNonce), nonce)
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  if (sealed.length > JOIN_ANSWER_BYTES_MAX)
    throw new ShoalError(
      'TOO_LARGE',
      `What a new node has to be told takes ${sealed.length} bytes, more than ${JOIN_ANSWER_BYTES_MAX}`,
    )
  return sealed
}

/** @throws UNAUTHENTICATED if it isn't from a node that knows the token; INVALID_ARGUMENT if it makes no sense */
export function openAnswer(sealed: Buffer, verifier: Buffer, joinNonce: string): JoinAnswer {
  let text: string
  try {
    const decipher = createDecipheriv('aes-256-gcm', answerKey(verifier, joinNonce), sealed.subarray(0, NONCE_BYTES))
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
    text = decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
  } catch (cause) {
    throw new ShoalError('UNAUTHENTICATED', 'The answer to the join is not from a node that made the token', { cause })
  }
  const value = JSON.parse(text) as Omit<JoinAnswer, 'bootstrap'> & { readonly bootstrap: string }
  return { ...value, bootstrap: Buffer.from(value.bootstrap, 'base64') }
}

/** The identity that an answer makes of the new node's key. @throws INVALID_ARGUMENT if its parts don't fit together */
export function identityOf(answer: JoinAnswer, nodeUri: string, key: string): IdentityRecord {
  const { authority, gossip, certificate } = answer
  const text = JSON.stringify({ format: 1, name: nodeUri, authority, gossip, node: { certificate, key } })
  const record = decodeIdentity(Buffer.from(text))
  if (typeof record === 'string') throw new ShoalError('INVALID_ARGUMENT', `The answer to the join can't be used: ${record}`)
  return record
}

/** @throws INVALID_ARGUMENT */
export function decodeJoinRequest(value: unknown): JoinRequest {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<keyof JoinRequest, unknown>>
  const { tokenId, clusterId, nodeId, request, nonce, proof } = given
  const isRight =
    isHex(tokenId, 16) &&
    isHex(clusterId, 32) &&
    isHex(nodeId, 32) &&
    isHex(nonce, 32) &&
    isHex(proof, 64) &&
    typeof request === 'string'
  if (!isRight) throw new ShoalError('INVALID_ARGUMENT', 'The request to join makes no sense')
  return { tokenId, clusterId, nodeId: nodeId as NodeId, nonce, proof, request }
}

function answerKey(verifier: Buffer, joinNonce: string): Buffer {
  return Buffer.from(hkdfSync('sha256', verifier, Buffer.from(joinNonce, 'hex'), 'shoal join answer', 32))
}

function isHex(value: unknown, length: number): value is string {
  return typeof value === 'string' && value.length === length && /^[0-9a-f]+$/.test(value)
}
