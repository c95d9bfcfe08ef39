import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Wildcard } from './wildcard.ts'

const matches = (pattern: string, subject: string) => new Wildcard(pattern).matches(subject)

test('a star stands for anything, a question mark for one character', () => {
  for (const [pattern, subject, expected] of [
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'a/b/c', true],
    ['a*c', 'abc', true],
    ['a*c', 'ac', true],
    ['a*c', 'acb', false],
    ['*suffix', 'foo.suffix', true],
    ['*suffix', 'foo.suffix.get', false],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['?', '😀', true],
    ['?', 'é', true],
    ['*b?*', 'aabb', true],
    ['photos/*/2024/*.jpg', 'photos/x/y/2024/a.jpg', true],
    ['A', 'a', false],
  ] as const) {
    assert.equal(matches(pattern, subject), expected, `${pattern} on ${subject}`)
  }
})

test('variables stand for values, in which nothing is a wildcard', () => {
  const values: Record<string, string> = { 'aws:username': 'a*' }
  const valueOf = (name: string) => values[name]
  const home = new Wildcard('home/${aws:UserName}/*', { variables: true })
  assert.equal(home.matches('home/a*/x', valueOf), true)
  assert.equal(home.matches('home/ab/x', valueOf), false)
  assert.equal(new Wildcard('${aws:none}', { variables: true }).matches('', valueOf), false)
  assert.equal(new Wildcard("${aws:none, 'x'}", { variables: true }).matches('x', valueOf), true)
  assert.equal(new Wildcard('${*}${?}${$}', { variables: true }).matches('*?$'), true)
  assert.equal(new Wildcard('${*}', { variables: true }).matches('x'), false)
  assert.equal(new Wildcard('${aws:username}').matches('${aws:username}'), true, 'policies of 2008 know no variables')
})

test('a pattern matches what a regular expression of it matches', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?', '.', '😀'), maxLength: 12 })
  fc.assert(
    fc.property(text, text, (pattern, subject) => {
      const source = [...pattern].map((one) => (one === '*' ? '.*' : one === '?' ? '.' : one.replace(/[/.]/, '\\$&')))
      assert.equal(matches(pattern, subject), new RegExp(`^${source.join('')}$`, 'su').test(subject))
    }),
    { numRuns: 2_000 },
  )
})

test('many stars take no time to speak of', () => {
  assert.equal(matches('*a'.repeat(500), 'a'.repeat(1_000)), true)
  assert.equal(matches(`${'*a'.repeat(500)}b`, 'a'.repeat(1_024)), false)
})
