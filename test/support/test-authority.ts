// A certificate authority for one test, and certificates for 127.0.0.1 that it signs, for servers and clients.

import { webcrypto } from 'node:crypto'
import 'reflect-metadata'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 24 * 3_600_000

export interface TestAuthority {
  /** PEM, as everything here. */
  readonly ca: string
  issue(): Promise<{ readonly cert: string; readonly key: string }>
}

export async function makeTestAuthority(): Promise<TestAuthority> {
  const [notBefore, notAfter] = [new Date(Date.now() - DAY_MS), new Date(Date.now() + DAY_MS)]
  const name = 'CN=Shoal test authority'
  const keys = await makeKeys()
  const own = await X509CertificateGenerator.createSelfSigned({
    ...{ name, keys, signingAlgorithm: ALGORITHM, serialNumber: '01', notBefore, notAfter },
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  })
  let issued = 1
  return {
    ca: own.toString('pem'),
    async issue() {
      const pair = await makeKeys()
      const certificate = await X509CertificateGenerator.create({
        ...{ subject: 'CN=node', issuer: name, signingKey: keys.privateKey, publicKey: pair.publicKey },
        ...{ signingAlgorithm: ALGORITHM, serialNumber: `0${(issued += 1)}`, notBefore, notAfter },
        extensions: [
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
          new SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }]),
        ],
      })
      const key = await webcrypto.subtle.exportKey('pkcs8', pair.privateKey)
      return { cert: certificate.toString('pem'), key: PemConverter.encode(key, 'PRIVATE KEY') }
    },
  }
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
}
