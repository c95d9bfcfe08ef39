import { createPrivateKey, X509Certificate } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { TlsPair } from './tls-material.ts'
import { tryPair } from './tls-options.ts'

/** What a certificate says of itself. */
export interface CertificateFacts {
  /** Host names and addresses that it is for, as OpenSSL writes them: `DNS:localhost, IP Address:127.0.0.1`. */
  readonly names: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** SHA-256 of the certificate, pairs of hexadecimal digits with colons between them. */
  readonly fingerprint: string
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g

/** Looks whether a server could use `pair`, without its dates: whether it is PEM, the key belongs to the first
 *  certificate, each further certificate signed one before it, and OpenSSL takes it. @throws INVALID_ARGUMENT, whose
 *  message says what is wrong and shows nothing of the key */
export function inspectPair(pair: TlsPair): CertificateFacts {
  const chain = readChain(pair.certificate)
  const [certificate] = chain
  if (certificate === undefined) throw refusal('the certificate file has no "-----BEGIN CERTIFICATE-----" in it')
  if (!certificate.checkPrivateKey(readKey(pair.key))) throw refusal('the key belongs to another certificate')
  checkChain(chain)
  try {
    tryPair(pair)
  } catch (cause) {
    throw refusal(`OpenSSL refuses it: ${(cause as Error).message}`, cause)
  }
  return {
    names: certificate.subjectAltName ?? '',
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
    fingerprint: certificate.fingerprint256,
  }
}

function readChain(pem: string): X509Certificate[] {
  return (pem.match(CERTIFICATE) ?? []).map((text, index) => {
    try {
      return new X509Certificate(text)
    } catch (cause) {
      throw refusal(`certificate ${index + 1} in the certificate file can't be read: ${(cause as Error).message}`, cause)
    }
  })
}

/** Authorities that are signed by several others make chains that fork; nothing may stand there for no reason. */
function checkChain(chain: readonly X509Certificate[]): void {
  for (const [index, above] of chain.entries()) {
    const belongs = chain.slice(0, index).some((below) => below.checkIssued(above) && below.verify(above.publicKey))
    if (index > 0 && !belongs) {
      throw refusal(
        `the chain is out of order: "${oneLine(above.subject)}" issued none of the certificates before it. The server's own comes first, then the one that issued it, and so on`,
      )
    }
  }
}

function readKey(pem: string) {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const why = pem.includes('ENCRYPTED')
      ? 'it is encrypted: give one without a passphrase, with mode 0600'
      : `${code ?? message}`
    throw refusal(`the key can't be read: ${why}`)
  }
}

function oneLine(subject: string): string {
  return subject.replaceAll('\n', ', ')
}

function refusal(why: string, cause?: unknown): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `The certificate and key can't be used: ${why}`, { cause })
}
