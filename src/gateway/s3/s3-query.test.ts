import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { S3Error } from './s3-error.ts'
import { S3Query } from './s3-query.ts'

const NAMES = ['X-Amz-Date', 'X-Amz-Expires', 'acl', 'a b', 'x']
const [ONE, TWO] = ['1'.repeat(64), '2'.repeat(64)] as const

test('a presigned query reads the same wherever its signature is, and whatever came before it with the same beginning', () => {
  const parameters = fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), fc.string({ maxLength: 4 })), {
    selector: ([name]) => name,
    minLength: 1,
  })
  fc.assert(
    fc.property(parameters, fc.constantFrom(ONE, TWO), (list, signature) => {
      const beginning = list.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&')
      const last = S3Query.parse(`${beginning}&X-Amz-Signature=${signature}`)
      const first = S3Query.parse(`X-Amz-Signature=${signature}&${beginning}`)
      for (const name of [...NAMES, 'X-Amz-Signature', 'none']) {
        assert.equal(last.get(name), first.get(name))
        assert.equal(last.has(name), first.has(name))
      }
      assert.equal(last.signature, signature)
    }),
  )
})

test('what follows from a beginning is worked out once for all signatures, and without them', () => {
  let times = 0
  const derive = (query: S3Query): string | undefined => {
    times += 1
    return `${query.get('once')} ${query.get('X-Amz-Signature')}`
  }
  for (const signature of [ONE, TWO, ONE])
    assert.equal(S3Query.parse(`once=1&X-Amz-Signature=${signature}`).derive(derive), '1 undefined')
  assert.equal(times, 1)
  assert.equal(S3Query.parse(`once=2&X-Amz-Signature=${ONE}`).derive(derive), '2 undefined')
  assert.equal(S3Query.parse('once=1').derive(derive), '1 undefined')
  assert.equal(S3Query.parse('once=1').derive(derive), '1 undefined')
  assert.equal(times, 4)
})

test('a signature given twice is refused, the second time too', () => {
  for (const first of ['X-Amz-Signature', 'X-Amz%2DSignature'])
    for (let time = 0; time < 2; time += 1)
      assert.throws(() => S3Query.parse(`a=1&${first}=${ONE}&X-Amz-Signature=${ONE}`), S3Error)
})
