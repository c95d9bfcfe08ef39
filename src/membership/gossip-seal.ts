// What makes a packet or an exchange unreadable and unforgeable for others: docs/formats/gossip.md.

import { createCipheriv, createDecipheriv } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { Random } from '#platform/random.ts'

/** What is sealed: one can't be passed off as another. */
export type SealedKind = 'packet' | 'exchange' | 'answer'

/** Why something is refused. A wrong cluster id is told from a wrong key since it is readable from outside. */
export type SealRefusal = 'not-gossip' | 'other-version' | 'other-cluster' | 'wrong-key'

export type Opened = { readonly bytes: Buffer } | { readonly refusal: SealRefusal; readonly error: ShoalError }

export interface GossipKeys {
  /** 32 bytes; seals. */
  readonly primary: Uint8Array
  /** Only open, while one key replaces another in a cluster. */
  readonly others?: readonly Uint8Array[]
}

const MAGIC = [0x53, 0x47] as const
const VERSION = 1
const KINDS: readonly SealedKind[] = ['packet', 'exchange', 'answer']
const HEADER_BYTES = 20
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32
/** The old one, the new one, and two for rotations that were begun while one was under way. */
const KEYS_MAX = 4
export const SEAL_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES

export class GossipSeal {
  readonly #clusterId: string
  readonly #headers: readonly Buffer[]
  readonly #random: Random
  #keys: readonly Uint8Array[]

  /** @throws INVALID_ARGUMENT if the cluster id isn't 32 hexadecimal characters, or a key not 32 bytes */
  constructor(options: { readonly clusterId: string; readonly keys: GossipKeys; readonly random: Random }) {
    const { clusterId, keys, random } = options
    if (!/^[0-9a-f]{32}$/.test(clusterId))
      throw new ShoalError('INVALID_ARGUMENT', `"${clusterId}" is not a cluster id: 32 hexadecimal characters are expected`)
    this.#clusterId = clusterId
    this.#headers = KINDS.map((_, kind) => Buffer.concat([Buffer.of(...MAGIC, VERSION, kind), Buffer.from(clusterId, 'hex')]))
    this.#random = random
    this.#keys = checkedKeys(keys)
  }

  /** From now on seals with the new primary key. @throws INVALID_ARGUMENT */
  useKeys(keys: GossipKeys): void {
    this.#keys = checkedKeys(keys)
  }

  seal(kind: SealedKind, bytes: Uint8Array): Buffer {
    const header = this.#headers[KINDS.indexOf(kind)] as Buffer
    const nonce = this.#random.bytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#keys[0] as Uint8Array, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(header)
    return Buffer.concat([header, nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
  }

  open(kind: SealedKind, sealed: Buffer): Opened {
    const header = this.#headers[KINDS.indexOf(kind)] as Buffer
    const refusal = this.#refusalOfHeader(sealed, header)
    if (refusal !== undefined) return refusal
    for (const key of this.#keys) {
      const bytes = openWith(key, sealed, header)
      if (bytes !== undefined) return { bytes }
    }
    return refuse('wrong-key', 'UNAUTHENTICATED', `The gossip key of cluster ${this.#clusterId} is another one`)
  }

  #refusalOfHeader(sealed: Buffer, header: Buffer): Opened | undefined {
    if (sealed.length < SEAL_BYTES || sealed[0] !== MAGIC[0] || sealed[1] !== MAGIC[1])
      return refuse('not-gossip', 'INVALID_ARGUMENT', 'What was received is no gossip between nodes')
    if (sealed[2] !== VERSION) {
      const why = `Gossip of version ${sealed[2]} was received, and this release speaks version ${VERSION}`
      return refuse('other-version', 'UNSUPPORTED', why)
    }
    const clusterId = sealed.toString('hex', 4, HEADER_BYTES)
    if (clusterId !== this.#clusterId) {
      const why = `The node belongs to cluster ${clusterId}, and this is cluster ${this.#clusterId}`
      return refuse('other-cluster', 'FORBIDDEN', why)
    }
    if (sealed[3] !== header[3]) return refuse('not-gossip', 'INVALID_ARGUMENT', 'What was received is gossip of another kind')
    return undefined
  }
}

function openWith(key: Uint8Array, sealed: Buffer, header: Buffer): Buffer | undefined {
  const nonce = sealed.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(header)
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  const bytes = decipher.update(sealed.subarray(HEADER_BYTES + NONCE_BYTES, sealed.length - TAG_BYTES))
  try {
    decipher.final()
    return bytes
  } catch {
    return undefined
  }
}

function refuse(refusal: SealRefusal, code: 'UNAUTHENTICATED' | 'INVALID_ARGUMENT' | 'UNSUPPORTED' | 'FORBIDDEN', why: string) {
  return { refusal, error: new ShoalError(code, why, { details: { refusal } }) }
}

function checkedKeys({ primary, others = [] }: GossipKeys): readonly Uint8Array[] {
  const keys = [primary, ...others]
  if (keys.some((key) => key.length !== KEY_BYTES) || keys.length > KEYS_MAX)
    throw new ShoalError('INVALID_ARGUMENT', `At most ${KEYS_MAX} gossip keys are expected, of ${KEY_BYTES} bytes each`)
  return keys
}
