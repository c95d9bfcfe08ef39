import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { before, test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { makeCertificate } from '#node/make-certificate.ts'
import { inspectPair } from './inspect-pair.ts'
import type { TlsPair } from './tls-material.ts'

const NOT_BEFORE_MS = Date.UTC(2026, 0, 2)
const NOT_AFTER_MS = Date.UTC(2027, 0, 2)

let pair: TlsPair
let other: TlsPair

before(async () => {
  const make = (serial: number) =>
    makeCertificate({
      names: { hosts: ['localhost', 'files.example'], addresses: ['127.0.0.1', '::1'] },
      notBeforeMs: NOT_BEFORE_MS,
      notAfterMs: NOT_AFTER_MS,
      serialNumber: Buffer.of(serial),
    })
  ;[pair, other] = await Promise.all([make(1), make(2)])
})

test('a pair that fits says whom it is for, and until when', () => {
  const facts = inspectPair(pair)
  assert.deepEqual([facts.notBeforeMs, facts.notAfterMs], [NOT_BEFORE_MS, NOT_AFTER_MS])
  for (const name of ['localhost', 'files.example', '127.0.0.1']) assert.ok(facts.names.includes(name), facts.names)
  assert.match(facts.fingerprint, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
})

const encrypted = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: 'x',
}) as string

const BROKEN: readonly { readonly what: string; readonly pair: () => TlsPair; readonly says: RegExp }[] = [
  { what: 'an empty certificate file', pair: () => ({ ...pair, certificate: '' }), says: /no "-----BEGIN CERTIFICATE/ },
  { what: 'a key in the place of the certificate', pair: () => ({ ...pair, certificate: pair.key }), says: /no "-----BEGIN/ },
  {
    what: 'a certificate cut short',
    pair: () => ({ ...pair, certificate: pair.certificate.replace(/\n.{64}\n/, '\n') }),
    says: /certificate 1 .* can't be read/,
  },
  { what: 'an empty key file', pair: () => ({ ...pair, key: '' }), says: /the key can't be read/ },
  { what: 'a key with a passphrase', pair: () => ({ ...pair, key: encrypted }), says: /encrypted/ },
  { what: 'the key of another certificate', pair: () => ({ ...pair, key: other.key }), says: /belongs to another/ },
  {
    what: 'a certificate in the chain that issued none before it',
    pair: () => ({ ...pair, certificate: pair.certificate + other.certificate }),
    says: /out of order/,
  },
]

for (const { what, pair: broken, says } of BROKEN) {
  test(`${what} is refused with what is wrong, and without showing the key`, () => {
    assert.throws(
      () => inspectPair(broken()),
      (error) => isShoalError(error, 'INVALID_ARGUMENT') && says.test(error.message) && !/[\w+/]{40}/.test(error.message),
    )
  })
}
