import { constants } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { TlsOptions } from 'node:tls'
import type { TlsPair } from './tls-material.ts'

/** Suites with forward secrecy and authenticated encryption alone: Mozilla's "intermediate" of version 5.7 without DHE,
 *  whose keys cost far more than an elliptic curve's. AES-128 comes first: as good, and a third faster. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** What handshakes with `pair` are made with: TLS 1.2 (RFC 9325, section 3.1.1) or 1.3, and never a second handshake on
 *  a connection, which a client could have us pay for again and again. */
export function secureContextOptions(pair: TlsPair): TlsOptions {
  return {
    cert: pair.certificate,
    key: pair.key,
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  }
}

/** Whether OpenSSL takes the pair: it also refuses what is well-formed but too weak. @throws its error */
export function tryPair(pair: TlsPair): void {
  createSecureContext(secureContextOptions(pair))
}
