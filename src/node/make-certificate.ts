import { webcrypto } from 'node:crypto'
import 'reflect-metadata'
import type { TlsPair } from '#gateway/http/tls-material.ts'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** What a certificate is for: DNS names, and addresses without brackets. */
export interface CertificateNames {
  readonly hosts: readonly string[]
  readonly addresses: readonly string[]
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** Makes a key (ECDSA on P-256) and a certificate for it that it signs itself. No authority: it can sign no other. It
 *  says nothing of the key's use, since OpenSSL takes a self-signed certificate as trusted only if its key may sign
 *  certificates, and RFC 5280 (section 4.2.1.3) forbids to say so without being an authority. */
export async function makeCertificate(options: {
  readonly names: CertificateNames
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Up to 20 bytes (RFC 5280, section 4.1.2.2). */
  readonly serialNumber: Buffer
}): Promise<TlsPair> {
  const { names, notBeforeMs, notAfterMs, serialNumber } = options
  const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // A name of its own: OpenSSL looks for the trusted one by it, and takes no second one by the same name.
    name: `CN=Shoal self-signed ${serialNumber.toString('hex')}`,
    keys,
    signingAlgorithm: ALGORITHM,
    serialNumber: serialNumber.toString('hex'),
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension([
        ...names.hosts.map((value) => ({ type: 'dns' as const, value })),
        ...names.addresses.map((value) => ({ type: 'ip' as const, value })),
      ]),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { certificate: `${certificate.toString('pem')}\n`, key: `${PemConverter.encode(key, 'PRIVATE KEY')}\n` }
}
