import assert from 'node:assert/strict'
import { test } from 'node:test'
import { globExpression } from './glob.ts'
import { columns, visible } from './output.ts'
import { humanDuration, humanSize, modeText, shortSize } from './units.ts'

test('sizes are as ls -h writes them', () => {
  const shown = [0, 1, 1023, 1024, 1025, 1536, 10_239, 10_240, 1_048_575, 1_048_576, 5 * 2 ** 30, 2 ** 50].map(shortSize)
  assert.deepEqual(shown, ['0', '1', '1023', '1.0K', '1.1K', '1.5K', '10K', '10K', '1.0M', '1.0M', '5.0G', '1.0P'])
  assert.deepEqual([humanSize(0), humanSize(1536), humanSize(20 * 2 ** 20)], ['0 B', '1.5 KiB', '20 MiB'])
})

test('durations are short', () => {
  assert.deepEqual([400, 59_400, 125_000, 3_725_000, 273_600_000].map(humanDuration), [
    '0 s',
    '59 s',
    '2 min 05 s',
    '1 h 02 min',
    '3 d 4 h',
  ])
})

test('modes are as ls -l writes them', () => {
  assert.deepEqual(
    [
      modeText('file', '0644'),
      modeText('directory', '1777'),
      modeText('file', '6755'),
      modeText('symlink', '0777'),
      modeText('file', '4644'),
    ],
    ['-rw-r--r--', 'drwxrwxrwt', '-rwsr-sr-x', 'lrwxrwxrwx', '-rwSr--r--'],
  )
})

test('columns line up', () => {
  assert.deepEqual(
    columns(
      [
        ['a', '1', 'x'],
        ['bbb', '22', 'yy'],
      ],
      '<><',
    ),
    ['a     1  x', 'bbb  22  yy'],
  )
})

test('a name cannot move the cursor of a terminal', () => {
  assert.equal(visible('a\x1b[31mb\r\n\udcffü€\u{1f600}'), 'a\\x1b[31mb\\x0d\\x0a\\xffü€\u{1f600}')
})

const GLOBS: readonly [glob: string, name: string, matches: boolean][] = [
  ['*.log', 'a.log', true],
  ['*.log', 'a.logs', false],
  ['*.log', 'xalog', false],
  ['?', '\u{1f600}', true],
  ['?', 'ab', false],
  ['[a-c]x', 'bx', true],
  ['[!a-c]x', 'bx', false],
  ['[]]', ']', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'axb', false],
  ['(a|b)+$', '(a|b)+$', true],
  ['a-b/c', 'a-b/c', true],
  ['*', 'line\nbreak', true],
]

for (const [glob, name, matches] of GLOBS) {
  test(`the pattern ${JSON.stringify(glob)} ${matches ? 'matches' : 'does not match'} ${JSON.stringify(name)}`, () => {
    assert.equal(globExpression(glob).test(name), matches)
  })
}

test('a set without its end is refused', () => assert.throws(() => globExpression('a[b'), /without its "\]"/))
