import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { decodeJoinToken, encodeJoinToken, tokenIdOf, verifierOf } from './join-token.ts'
import type { JoinToken } from './join-token.ts'

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((each) => Buffer.from(each).toString('hex'))
const anyToken: fc.Arbitrary<JoinToken> = fc.record<JoinToken>(
  {
    clusterId: hex(16),
    fingerprint: hex(32),
    addresses: fc.array(
      fc.record(
        { host: fc.stringMatching(/^[a-z0-9.:-]{1,60}$/), port: fc.integer({ min: 1, max: 65_535 }) },
        { noNullPrototype: true },
      ),
      { minLength: 1, maxLength: 8 },
    ),
    expiresMs: fc.nat(0xffff_ffff).map((seconds) => seconds * 1000),
    secret: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((each) => Buffer.from(each)),
  },
  { noNullPrototype: true },
)

test('a token comes back as it was, from a line with blanks around it', () => {
  fc.assert(
    fc.property(anyToken, (token) => {
      const line = encodeJoinToken(token)
      assert.match(line, /^shoal1\.[A-Za-z0-9_-]+$/)
      assert.deepEqual(decodeJoinToken(`  ${line}\n`), token)
    }),
  )
})

test('a token of which anything was mistyped, cut or added is refused, and the message says what to do', () => {
  fc.assert(
    fc.property(
      anyToken,
      fc.nat(),
      fc.constantFrom('cut', 'add', 'change'),
      fc.constantFrom(...'aB0-_ .ä'),
      (token, place, how, letter) => {
        const line = encodeJoinToken(token)
        // The last letter of base64 may have bits that mean nothing.
        const at = place % (line.length - 1)
        const changed = line.slice(0, at) + (how === 'cut' ? '' : letter) + line.slice(how === 'add' ? at : at + 1)
        if (changed.trim() === line) return
        assert.throws(
          () => decodeJoinToken(changed),
          (error) => {
            assert.ok(isShoalError(error, 'INVALID_ARGUMENT'))
            return /copy the whole line|"shoal cluster token" on a node/.test(error.message)
          },
        )
      },
    ),
    { numRuns: 500 },
  )
})

test('addresses that fit into no token are refused when it is made', () => {
  const token = { clusterId: '00'.repeat(16), fingerprint: '00'.repeat(32), expiresMs: 0, secret: Buffer.alloc(16) }
  const places = [
    [],
    Array.from({ length: 9 }, () => ({ host: 'a', port: 1 })),
    [{ host: '', port: 1 }],
    [{ host: 'a b', port: 1 }],
    [{ host: 'a', port: 0 }],
  ]
  for (const addresses of places) assert.throws(() => encodeJoinToken({ ...token, addresses }), { code: 'INVALID_ARGUMENT' })
})

test('the name of a token and what is kept of it tell nothing of its secret', () => {
  const secret = Buffer.alloc(16, 7)
  const verifier = verifierOf(secret)
  assert.ok(!verifier.includes(secret.subarray(0, 4)))
  assert.ok(!verifier.toString('hex').includes(tokenIdOf(verifier)))
  assert.notEqual(tokenIdOf(verifier), tokenIdOf(verifierOf(Buffer.alloc(16, 8))))
})
