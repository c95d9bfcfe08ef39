import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { parseIfHeader } from './if-header.ts'
import type { IfList } from './if-header.ts'
import { formatLockToken, parseLockToken } from './lock-token.ts'

const HEX = '181d4fae7d8c11d0a76500a0c91e6bf2'
const URI = 'opaquelocktoken:181d4fae-7d8c-11d0-a765-00a0c91e6bf2'
const token = (value: string, isNegated = false) => ({ kind: 'token', value, isNegated }) as const
const etag = (value: string, isNegated = false) => ({ kind: 'etag', value, isNegated }) as const

test('the examples of RFC 4918, section 10.4, are read as it explains them', () => {
  assert.deepEqual(parseIfHeader(`(<${URI}> ["I am an ETag"]) (["I am another ETag"])`), [
    { tag: undefined, terms: [token(HEX), etag('"I am an ETag"')] },
    { tag: undefined, terms: [etag('"I am another ETag"')] },
  ])
  assert.deepEqual(parseIfHeader(`(Not <${URI}> <urn:uuid:58f202ac-22cf-11d1-b12d-002035b29092>)`), [
    { tag: undefined, terms: [token(HEX, true), token('urn:uuid:58f202ac-22cf-11d1-b12d-002035b29092')] },
  ])
  assert.deepEqual(parseIfHeader(`(<${URI}>) (Not <DAV:no-lock>)`), [
    { tag: undefined, terms: [token(HEX)] },
    { tag: undefined, terms: [token('DAV:no-lock', true)] },
  ])
  assert.deepEqual(parseIfHeader(`</resource1> (<${URI}> [W/"A weak ETag"]) (["strong ETag"]) </resource2> (Not [W/"x"])`), [
    { tag: '/resource1', terms: [token(HEX), etag('W/"A weak ETag"')] },
    { tag: '/resource1', terms: [etag('"strong ETag"')] },
    { tag: '/resource2', terms: [etag('W/"x"', true)] },
  ])
  assert.deepEqual(parseIfHeader(`<http://www.example.com/specs/>(<${URI}>)`), [
    { tag: 'http://www.example.com/specs/', terms: [token(HEX)] },
  ])
})

test('what is no If header is refused', () => {
  for (const text of [
    '',
    ' ',
    'x',
    '()',
    '(<a>',
    '<a>',
    '<a> <b> (<c>)',
    '(<a>) <b> (<c>)',
    '(<a>) x',
    '(["a)',
    '([a])',
    '(Notx <a>)',
    '(<a>,<b>)',
    '((<a>))',
  ])
    // prettier-ignore
    assert.throws(
      () => parseIfHeader(text),
      (error) => isShoalError(error, 'INVALID_ARGUMENT'),
      text,
    )
  assert.throws(() => parseIfHeader('(<a>)'.repeat(1_001)), /more than 1000 lists/)
})

test('lists come back as they were written', () => {
  const word = fc.stringMatching(/^[!#-;=?-Z^-~]{1,20}$/)
  const term = fc.record({
    kind: fc.constantFrom('token' as const, 'etag' as const),
    value: word,
    isNegated: fc.boolean(),
  })
  const list = fc.array(term, { minLength: 1, maxLength: 4 })
  const tagged = fc.array(fc.tuple(word, fc.array(list, { minLength: 1, maxLength: 3 })), { minLength: 1, maxLength: 3 })
  const lists = fc.oneof(
    fc.array(list, { minLength: 1, maxLength: 4 }).map((all): IfList[] => all.map((terms) => ({ tag: undefined, terms }))),
    tagged.map((all) => all.flatMap(([tag, below]): IfList[] => below.map((terms) => ({ tag, terms })))),
  )
  fc.assert(
    fc.property(lists, fc.constantFrom('', ' ', '\t '), (given, space) => {
      const expected = given.map(({ tag, terms }) => ({
        tag,
        terms: terms.map((each) => ({ ...each, value: each.kind === 'etag' ? `"${each.value}"` : each.value })),
      }))
      let before: string | undefined
      const text = expected
        .map(({ tag, terms }) => {
          const shown = tag === undefined || tag === before ? '' : `<${tag}>${space}`
          before = tag
          const all = terms.map(
            ({ kind, value, isNegated }) => `${isNegated ? 'Not ' : ''}${kind === 'token' ? `<${value}>` : `[${value}]`}`,
          )
          return `${shown}(${all.join(space)})`
        })
        .join(space)
      assert.deepEqual(parseIfHeader(text), expected)
    }),
  )
})

test('whatever text comes, reading ends with lists or a refusal, and soon', () => {
  const piece = fc.constantFrom('(', ')', '<', '>', '[', ']', '"', 'Not', ' ', 'W/', 'a', 'opaquelocktoken:')
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 4 })), { maxLength: 60 }), (pieces) => {
      try {
        assert.ok(parseIfHeader(pieces.join('')).length > 0)
      } catch (error) {
        assert.ok(isShoalError(error, 'INVALID_ARGUMENT'))
      }
    }),
  )
})

test('tokens are UUIDs with a scheme, and come back', () => {
  assert.equal(formatLockToken(HEX), URI)
  assert.equal(parseLockToken(URI.toUpperCase()), HEX)
  assert.equal(parseLockToken('opaquelocktoken:other'), 'opaquelocktoken:other')
})
