import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { S3Error } from './s3-error.ts'
import { NO_DATE, S3Query } from './s3-query.ts'

const NAMES = ['X-Amz-Date', 'X-Amz-Expires', 'acl', 'a b', 'x']
const [ONE, TWO] = ['1'.repeat(64), '2'.repeat(64)] as const

const DATES = ['20261127T133527Z', '20261127T133528Z', '00000000T000000Z', '20261127', ''] as const

test('a presigned query reads the same wherever its signature is, and whatever came before it that differs in no more than that and the date', () => {
  const value = fc.oneof(fc.constantFrom(...DATES), fc.string({ maxLength: 4 }))
  const parameters = fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), value), { selector: ([name]) => name, minLength: 1 })
  fc.assert(
    fc.property(parameters, fc.constantFrom(ONE, TWO), (list, signature) => {
      const rest = list.map(([name, text]) => `${encodeURIComponent(name)}=${encodeURIComponent(text)}`).join('&')
      const last = S3Query.parse(`${rest}&X-Amz-Signature=${signature}`)
      const first = S3Query.parse(`X-Amz-Signature=${signature}&${rest}`)
      for (const name of [...NAMES, 'X-Amz-Signature', 'none']) {
        assert.equal(last.get(name), first.get(name))
        assert.equal(last.has(name), first.has(name))
      }
    }),
  )
})

test('what follows from all but date and signature is worked out once, and without them', () => {
  let times = 0
  const derive = (query: S3Query): string => {
    times += 1
    return `${query.get('once')} ${query.get('X-Amz-Date')} ${query.get('X-Amz-Signature')}`
  }
  const parse = (once: number, date: string, signature: string) =>
    S3Query.parse(`once=${once}&X-Amz-Date=${date}&b=2&X-Amz-Signature=${signature}`)
  for (const date of DATES.slice(0, 2))
    for (const signature of [ONE, TWO]) {
      const query = parse(1, date, signature)
      assert.equal(query.derive(derive), `1 ${NO_DATE} undefined`)
      assert.deepEqual(query.stamp, { date, signature })
    }
  assert.equal(times, 1)
  assert.equal(parse(2, DATES[0], ONE).derive(derive), `2 ${NO_DATE} undefined`)
  for (const time of [3, 4]) {
    assert.equal(S3Query.parse('once=1').derive(derive), '1 undefined undefined')
    assert.equal(times, time)
  }
})

test('a signature or a date given twice is refused, the second time too', () => {
  for (const first of ['X-Amz-Signature', 'X-Amz%2DSignature', 'X-Amz-Date', 'X-Amz%2DDate'])
    for (let time = 0; time < 2; time += 1)
      assert.throws(() => S3Query.parse(`a=1&${first}=${ONE}&X-Amz-Date=${DATES[0]}&X-Amz-Signature=${ONE}`), S3Error)
})
