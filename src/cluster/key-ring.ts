import { ShoalError } from '#foundation/errors.ts'
import type { Random } from '#platform/random.ts'

export interface GossipKey {
  /** 16 lower-case hexadecimal characters, drawn with the key. */
  readonly id: string
  /** 32 bytes, for AES-256-GCM. */
  readonly key: Buffer
}

/** The keys that gossip is encrypted with: each opens, the first one seals. A key is replaced while the cluster runs in three
 *  steps, each of which has to be at every node before the next one begins: `add` (all can open it), `promote` (all seal with
 *  it), `drop` the old one. */
export interface KeyRing {
  readonly keys: readonly [first: GossipKey, ...others: GossipKey[]]
}

const KEY_BYTES = 32
/** One in use, and one rotation that begins before the last one has ended. */
const KEYS_MAX = 3

export function makeKey(random: Random): GossipKey {
  return { id: random.bytes(8).toString('hex'), key: random.bytes(KEY_BYTES) }
}

export function makeRing(random: Random): KeyRing {
  return { keys: [makeKey(random)] }
}

/** Repeating it is harmless. @throws CONFLICT if the ring is full, or has another key by that id */
export function addKey(ring: KeyRing, key: GossipKey): KeyRing {
  const known = ring.keys.find(({ id }) => id === key.id)
  if (known?.key.equals(key.key) === true) return ring
  if (known !== undefined) throw new ShoalError('CONFLICT', `There is another gossip key "${key.id}"`)
  if (ring.keys.length >= KEYS_MAX)
    throw new ShoalError('CONFLICT', `There are ${KEYS_MAX} gossip keys already: finish the rotation before, or drop a key`)
  return { keys: [...ring.keys, key] }
}

/** From now on `id` seals. Repeating it is harmless. @throws NOT_FOUND */
export function promoteKey(ring: KeyRing, id: string): KeyRing {
  const key = ring.keys.find((each) => each.id === id)
  if (key === undefined) throw new ShoalError('NOT_FOUND', `There is no gossip key "${id}": add it first`)
  return { keys: [key, ...ring.keys.filter((each) => each.id !== id)] }
}

/** Repeating it is harmless. @throws PRECONDITION_FAILED for the key that seals */
export function dropKey(ring: KeyRing, id: string): KeyRing {
  const [first, ...others] = ring.keys
  if (first.id === id) throw new ShoalError('PRECONDITION_FAILED', `Gossip key "${id}" is in use: promote another one first`)
  return { keys: [first, ...others.filter((each) => each.id !== id)] }
}

/** As it is written into JSON. */
export function encodeRing(ring: KeyRing): unknown {
  return ring.keys.map(({ id, key }) => ({ id, key: key.toString('base64') }))
}

/** `undefined` if it is none. */
export function decodeRing(value: unknown): KeyRing | undefined {
  if (!Array.isArray(value) || value.length > KEYS_MAX) return undefined
  const keys = value.map((each) => decodeKey(each as { id?: unknown; key?: unknown } | null))
  const [first, ...others] = keys
  const ids = new Set(keys.map((key) => key?.id))
  if (first === undefined || ids.size < keys.length || others.includes(undefined)) return undefined
  return { keys: [first, ...(others as GossipKey[])] }
}

function decodeKey(value: { id?: unknown; key?: unknown } | null): GossipKey | undefined {
  if (typeof value?.id !== 'string' || !/^[0-9a-f]{16}$/.test(value.id) || typeof value.key !== 'string') return undefined
  const key = Buffer.from(value.key, 'base64')
  return key.length === KEY_BYTES ? { id: value.id, key } : undefined
}
