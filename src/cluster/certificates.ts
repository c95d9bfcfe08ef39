// The cluster's own authority and the certificates that it signs: ECDSA on P-256, X.509 version 3 (RFC 5280).

import { webcrypto } from 'node:crypto'
import 'reflect-metadata'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { ShoalError } from '#foundation/errors.ts'
import { nodeUri } from '#foundation/node-uri.ts'
import type { NodeName } from '#foundation/node-uri.ts'
import type { Random } from '#platform/random.ts'

/** A certificate and its key, in PEM. */
export interface CertifiedKey {
  readonly certificate: string
  readonly key: string
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
/** Of IP, unlike a name. */
const ADDRESS = /^\d+(\.\d+){3}$|:/
const DAY_MS = 86_400_000
/** For clocks that are behind. */
const BACKDATE_MS = 3_600_000
const AUTHORITY_LIFE_MS = 10 * 365 * DAY_MS
const NODE_LIFE_MS = 365 * DAY_MS

/** Makes the authority of a cluster: it signs certificates of nodes, and of no other authority. */
export async function makeAuthority(clusterId: string, nowMs: number, random: Random): Promise<CertifiedKey> {
  const keys = await makeKeys()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=Shoal cluster ${clusterId}`,
    keys,
    signingAlgorithm: ALGORITHM,
    serialNumber: makeSerialNumber(random),
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + AUTHORITY_LIFE_MS),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: pemOf(certificate), key: await exportKey(keys.privateKey) }
}

/** A node's new key, and the request to certify it: it proves that whoever asks has the key (PKCS #10, RFC 2986). */
export async function makeRequest(name: NodeName): Promise<{ readonly request: string; readonly key: string }> {
  const keys = await makeKeys()
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: `CN=${name.nodeId}`,
    keys,
    signingAlgorithm: ALGORITHM,
  })
  return { request: `${request.toString('pem')}\n`, key: await exportKey(keys.privateKey) }
}

/** Certifies that the key in `request` is that of node `name`, whatever else it asks for: server and client, for a year, or
 *  as long as the authority lasts; at `places` (IP addresses and DNS names) too, for programs that look at those. PEM. @throws INVALID_ARGUMENT if the request is none, or not signed by its own key */
export async function certify(options: {
  readonly authority: CertifiedKey
  readonly name: NodeName
  readonly request: string
  readonly places?: readonly string[]
  readonly nowMs: number
  readonly random: Random
}): Promise<string> {
  const { authority, name, request, places = [], nowMs, random } = options
  const issuer = new X509Certificate(authority.certificate)
  const publicKey = await requestedKey(request)
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${name.nodeId}`,
    issuer: issuer.subject,
    publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: ALGORITHM,
    serialNumber: makeSerialNumber(random),
    notBefore: new Date(Math.max(nowMs - BACKDATE_MS, issuer.notBefore.getTime())),
    notAfter: new Date(Math.min(nowMs + NODE_LIFE_MS, issuer.notAfter.getTime())),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension([
        { type: 'url', value: nodeUri(name) },
        ...places.map((value) => ({ type: ADDRESS.test(value) ? ('ip' as const) : ('dns' as const), value })),
      ]),
      await AuthorityKeyIdentifierExtension.create(await issuer.publicKey.export()),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  })
  return pemOf(certificate)
}

async function requestedKey(pem: string): Promise<webcrypto.CryptoKey> {
  try {
    const request = new Pkcs10CertificateRequest(pem)
    if (await request.verify()) return (await request.publicKey.export(ALGORITHM, ['verify'])) as webcrypto.CryptoKey
  } catch (cause) {
    throw new ShoalError('INVALID_ARGUMENT', "The request for a certificate can't be read, or its key is not ECDSA on P-256", {
      cause,
    })
  }
  throw new ShoalError('INVALID_ARGUMENT', 'The request for a certificate is not signed by the key that it is for')
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = PemConverter.decode(pem)
  return webcrypto.subtle.importKey('pkcs8', der as ArrayBuffer, ALGORITHM, false, ['sign'])
}

/** 16 bytes, positive (RFC 5280, section 4.1.2.2). */
function makeSerialNumber(random: Random): string {
  return Buffer.concat([Buffer.of(1), random.bytes(15)]).toString('hex')
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}
