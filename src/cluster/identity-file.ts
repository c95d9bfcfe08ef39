import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import { parseNodeUri, nodeUri } from '#foundation/node-uri.ts'
import type { NodeName } from '#foundation/node-uri.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import type { CertifiedKey } from './certificates.ts'
import { decodeRing, encodeRing } from './key-ring.ts'
import type { KeyRing } from './key-ring.ts'

/** Everything by which a node belongs to its cluster. It lies in one file, so that there is all of it or nothing. */
export interface IdentityRecord {
  readonly name: NodeName
  /** The cluster's own; every node has its key. */
  readonly authority: CertifiedKey
  readonly node: CertifiedKey
  readonly gossip: KeyRing
}

const FOLDER = 'cluster'
const FILE = 'identity.json'

export function identityFolder(dataPath: string): string {
  return join(dataPath, FOLDER)
}

/** `undefined` if the node has none yet. @throws DATA_FORMAT if it is damaged; STORAGE_FAILED */
export async function readIdentity(files: Files, dataPath: string): Promise<IdentityRecord | undefined> {
  const path = join(identityFolder(dataPath), FILE)
  const bytes = await files.read(path).catch((cause: unknown) => {
    throw storageError(cause, `read "${path}"`)
  })
  if (bytes === undefined) return undefined
  const record = decodeIdentity(bytes)
  if (typeof record !== 'string') return record
  throw new ShoalError('DATA_FORMAT', `"${path}" is damaged: ${record}. Restore it from a backup, or let the node join anew`)
}

/** Durable when the promise resolves: the old record or the new one is there at any moment. @throws NO_SPACE, STORAGE_FAILED */
export async function publishIdentity(files: Files, dataPath: string, record: IdentityRecord): Promise<void> {
  const folder = identityFolder(dataPath)
  try {
    await files.makeFolder(folder, 0o700)
    await files.publish(join(folder, FILE), [encodeIdentity(record)], { mode: 0o600 })
  } catch (cause) {
    throw storageError(cause, `keep the identity of the node in "${folder}"`)
  }
}

function encodeIdentity({ name, authority, node, gossip }: IdentityRecord): Buffer {
  const value = { format: 1, name: nodeUri(name), authority, node, gossip: encodeRing(gossip) }
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`)
}

/** Or what is wrong with it. */
export function decodeIdentity(bytes: Buffer): IdentityRecord | string {
  let value: Record<string, unknown> | null
  try {
    value = JSON.parse(bytes.toString('utf8')) as Record<string, unknown> | null
  } catch {
    return 'it is no JSON'
  }
  if (value?.format !== 1) return 'its format is not 1'
  const name = parseNodeUri(String(value.name))
  const gossip = decodeRing(value.gossip)
  if (name === undefined || gossip === undefined) return 'its name or its gossip keys have no meaning'
  const { authority, node } = value
  if (!isCertifiedKey(authority) || !isCertifiedKey(node)) return 'it has no certificates and keys'
  const record = { name, gossip, authority: pick(authority), node: pick(node) }
  return faultOf(record) ?? record
}

/** What doesn't fit together; dates are another matter. */
function faultOf({ name, authority, node }: IdentityRecord): string | undefined {
  try {
    const issuer = new X509Certificate(authority.certificate)
    const own = new X509Certificate(node.certificate)
    if (!issuer.ca || !issuer.checkPrivateKey(createPrivateKey(authority.key))) return 'the key of the authority is another one'
    if (!own.checkIssued(issuer) || !own.verify(issuer.publicKey)) return 'the certificate is not of its authority'
    if (!own.checkPrivateKey(createPrivateKey(node.key))) return 'the key of the node is another one'
    if (own.subjectAltName !== `URI:${nodeUri(name)}`) return `the certificate is for "${own.subjectAltName}"`
    return undefined
  } catch (error) {
    return `a certificate or key can't be read (${(error as Error).message})`
  }
}

/** SHA-256 of a certificate in DER, 64 lower-case hexadecimal characters. */
export function fingerprintOf(certificate: string | Buffer): string {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex')
}

function isCertifiedKey(value: unknown): value is CertifiedKey {
  const { certificate, key } = (value ?? {}) as Partial<Record<keyof CertifiedKey, unknown>>
  return typeof certificate === 'string' && typeof key === 'string'
}

function pick({ certificate, key }: CertifiedKey): CertifiedKey {
  return { certificate, key }
}
