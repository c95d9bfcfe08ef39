import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { encodeName } from '#foundation/name.ts'
import { parseQuery, percentDecode, splitTarget } from './target.ts'

test('targets are cut at the first question mark and not decoded', () => {
  assert.deepEqual(splitTarget('/a%2Fb?c=%20?d'), { path: '/a%2Fb', query: 'c=%20?d' })
  assert.deepEqual(splitTarget('/'), { path: '/', query: '' })
  assert.deepEqual(splitTarget('http://host:1/a?b'), { path: '/a', query: 'b' })
  assert.deepEqual(splitTarget('http://host'), { path: '/', query: '' })
  for (const target of ['*', 'host:443', 'ftp://x/'])
    assert.throws(
      () => splitTarget(target),
      (error) => isShoalError(error, 'INVALID_ARGUMENT'),
      target,
    )
  assert.throws(
    () => splitTarget('/\u00e4'),
    (error) => isShoalError(error, 'INVALID_PATH'),
  )
})

test('any bytes survive percent-encoding and decoding', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const encoded = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
      assert.deepEqual(new Uint8Array(encodeName(percentDecode(encoded))), bytes)
    }),
  )
  assert.equal(percentDecode('a+b%C3%A4c'), 'a+bäc')
  assert.equal(percentDecode('%28a%29b%7e'), '(a)b~')
  // Of bytes that come as Latin-1, as headers do.
  assert.equal(percentDecode('%41\u00c3\u00a4'), 'Aä')
})

test('a percent sign without two digits is refused', () => {
  for (const text of ['%', 'a%', '%4', '%zz', '%4g', '%%41', '% 1']) {
    assert.throws(
      () => percentDecode(text),
      (error) => isShoalError(error, 'INVALID_PATH'),
      text,
    )
  }
})

test('queries are read as browsers write them', () => {
  assert.deepEqual({ ...parseQuery('a=1&b&c=x+y%2B&a=2&=z&&d==') }, { a: '1', b: '', c: 'x y+', '': 'z', d: '=' })
  assert.deepEqual({ ...parseQuery('__proto__=1') }, JSON.parse('{"__proto__":"1"}'))
})
