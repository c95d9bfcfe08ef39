import { createHash, hkdfSync } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { SocketAddress } from '#platform/sockets.ts'

/** What a node needs to join a cluster: docs/formats/join-token.md describes it byte by byte. */
export interface JoinToken {
  readonly clusterId: string
  /** SHA-256 of the authority's certificate in DER, 64 lower-case hexadecimal characters. */
  readonly fingerprint: string
  /** Nodes that take it, at most 8. */
  readonly addresses: readonly SocketAddress[]
  /** Whole seconds. */
  readonly expiresMs: number
  /** 16 random bytes. */
  readonly secret: Buffer
}

const PREFIX = 'shoal1.'
export const SECRET_BYTES = 16
const FIXED_BYTES = 16 + 32 + SECRET_BYTES + 4 + 1
const CHECKSUM_BYTES = 4
const ADDRESSES_MAX = 8
const HOST_BYTES_MAX = 253

/** The token as one line that people can copy. @throws INVALID_ARGUMENT for addresses that don't fit */
export function encodeJoinToken({ clusterId, fingerprint, addresses, expiresMs, secret }: JoinToken): string {
  if (addresses.length === 0 || addresses.length > ADDRESSES_MAX)
    throw new ShoalError('INVALID_ARGUMENT', `A join token names 1 to ${ADDRESSES_MAX} addresses, not ${addresses.length}`)
  const fixed = Buffer.alloc(5)
  fixed.writeUInt32BE(Math.floor(expiresMs / 1000), 0)
  fixed[4] = addresses.length
  const places = addresses.map(encodeAddress)
  const payload = Buffer.concat([Buffer.from(clusterId, 'hex'), Buffer.from(fingerprint, 'hex'), secret, fixed, ...places])
  return `${PREFIX}${Buffer.concat([payload, checksum(payload)]).toString('base64url')}`
}

/** @throws INVALID_ARGUMENT for what is no token, or one that was mistyped or cut */
export function decodeJoinToken(text: string): JoinToken {
  const line = text.trim()
  if (!line.startsWith(PREFIX))
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `That is no join token: it begins with "${PREFIX}". "shoal cluster token" on a node of the cluster prints one`,
    )
  const bytes = Buffer.from(line.slice(PREFIX.length), 'base64url')
  const payload = bytes.subarray(0, -CHECKSUM_BYTES)
  const isWhole =
    /^[A-Za-z0-9_-]+$/.test(line.slice(PREFIX.length)) &&
    payload.length > FIXED_BYTES &&
    checksum(payload).equals(bytes.subarray(-CHECKSUM_BYTES))
  if (!isWhole) throw new ShoalError('INVALID_ARGUMENT', 'The join token is mistyped or cut: copy the whole line')
  return {
    clusterId: payload.toString('hex', 0, 16),
    fingerprint: payload.toString('hex', 16, 48),
    secret: Buffer.from(payload.subarray(48, 48 + SECRET_BYTES)),
    expiresMs: payload.readUInt32BE(48 + SECRET_BYTES) * 1000,
    addresses: decodeAddresses(payload.subarray(FIXED_BYTES), payload[FIXED_BYTES - 1] as number),
  }
}

/** What the node that made a token keeps of its secret, and what both sides prove and encrypt with. */
export function verifierOf(secret: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', 'shoal join verifier', 32))
}

/** What a token is called, without giving anything of it away: 16 hexadecimal characters. */
export function tokenIdOf(verifier: Buffer): string {
  return createHash('sha256').update(verifier).digest('hex').slice(0, 16)
}

function encodeAddress({ host, port }: SocketAddress): Buffer {
  const isPlain = host.length > 0 && host.length <= HOST_BYTES_MAX && /^[\x21-\x7e]+$/.test(host)
  if (!isPlain || port < 1 || port > 0xffff)
    throw new ShoalError('INVALID_ARGUMENT', `"${host}:${port}" can't be an address in a join token`)
  const bytes = Buffer.alloc(3 + host.length)
  bytes.writeUInt16BE(port, 0)
  bytes[2] = host.length
  bytes.write(host, 3, 'latin1')
  return bytes
}

function decodeAddresses(bytes: Buffer, count: number): SocketAddress[] {
  const addresses: SocketAddress[] = []
  let at = 0
  while (addresses.length < count && at + 3 < bytes.length) {
    const end = at + 3 + (bytes[at + 2] as number)
    addresses.push({ host: bytes.toString('latin1', at + 3, end), port: bytes.readUInt16BE(at) })
    at = end
  }
  // The checksum was right, so whoever made it speaks another dialect.
  if (at !== bytes.length || addresses.length !== count)
    throw new ShoalError('INVALID_ARGUMENT', 'The join token is of another release')
  return addresses
}

function checksum(payload: Buffer): Buffer {
  return createHash('sha256').update(payload).digest().subarray(0, CHECKSUM_BYTES)
}
