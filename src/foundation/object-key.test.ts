import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeName, encodeName } from './name.ts'
import { keyOfPath, nameOfSegment, pathOfKey, segmentOfName } from './object-key.ts'
import { checkName } from './path.ts'

const bytes = (text: string): string => decodeName(Buffer.from(text))
/** Keys of what is hard to carry: marks, dots, slashes, NUL, bytes that are not UTF-8, long runs. */
const key = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('\u2044', '.', '..', '/', '//', '\0', '0', 'a', '\u2044\u2044', '\udcff') },
      { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 5 }).map(bytes) },
      { weight: 1, arbitrary: fc.constantFrom('x'.repeat(254), 'y'.repeat(256), 'ü'.repeat(130)) },
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((parts) => parts.join(''))
  .filter((text) => encodeName(text).length <= 1_024 && decodeName(encodeName(text)) === text)

test('every key has a path whose names other doors accept, and comes back from it', () => {
  fc.assert(
    fc.property(key, (given) => {
      const path = pathOfKey(given)
      for (const name of path) checkName(name)
      assert.equal(keyOfPath(path), given)
    }),
    { numRuns: 5_000 },
  )
})

test('every name of a path has one segment, and no two names or segments share theirs', () => {
  const name = key.map((text) => text.replaceAll('/', '')).filter(isName)
  fc.assert(
    fc.property(name, name, (a, b) => {
      assert.equal(nameOfSegment(segmentOfName(a)), a)
      if (a !== b) assert.notEqual(segmentOfName(a), segmentOfName(b))
    }),
    { numRuns: 5_000 },
  )
})

test('the escape is what docs/formats/metadata.md says', () => {
  assert.deepEqual(pathOfKey('a//b'), ['a', '\u2044', 'b'])
  assert.deepEqual(pathOfKey('/a'), ['\u2044', 'a'])
  assert.deepEqual(pathOfKey('a/'), ['a', '\u2044'])
  assert.deepEqual(pathOfKey('./..'), ['\u2044.', '\u2044..'])
  assert.deepEqual(pathOfKey('x\0y'), ['\u2044x\u20440y'])
  assert.deepEqual(pathOfKey('\u2044'), ['\u2044\u2044\u2044'])
  assert.deepEqual(pathOfKey('\u2044abc'), ['\u2044abc'])
  assert.deepEqual(pathOfKey('z'.repeat(300)), [`\u2044${'z'.repeat(300)}`])
})

test('names that no escape makes are what they are', () => {
  for (const name of ['\u2044abc', '\u2044.x', '\u2044a\u2044b', 'plain', '\u20440x\u2044'])
    assert.equal(segmentOfName(name), name)
})

function isName(text: string): boolean {
  try {
    checkName(text)
    return true
  } catch {
    return false
  }
}
