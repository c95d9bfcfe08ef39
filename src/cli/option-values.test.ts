import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { Option } from './command.ts'
import { parseOptions } from './option-values.ts'

const OPTIONS: readonly Option[] = [
  { name: 'recursive', short: 'r', description: '' },
  { name: 'long', short: 'l', description: '' },
  { name: 'size', short: 's', value: 'SIZE', description: '' },
  { name: 'type', value: 'TYPE', description: '', choices: ['f', 'd'] },
]

const parse = (...args: string[]) => parseOptions('test', args, OPTIONS)

test('options may stand anywhere, together, and with their value attached', () => {
  const { operands, values } = parse('a', '-rl', '--size=4', 'b', '--type', 'd')
  assert.deepEqual(operands, ['a', 'b'])
  assert.ok(values.has('recursive') && values.has('long'))
  assert.deepEqual([values.text('size'), values.text('type')], ['4', 'd'])
})

test('behind -- everything is an operand, and - always is one', () => {
  assert.deepEqual(parse('--', '-r', '--size').operands, ['-r', '--size'])
  assert.deepEqual(parse('-', '-r').operands, ['-'])
})

test('of an option given twice the last counts', () => {
  assert.equal(parse('-s', '1', '-s', '2').values.text('size'), '2')
})

const WRONG: readonly { readonly args: string[]; readonly says: RegExp }[] = [
  { args: ['--recusive'], says: /did you mean --recursive\?/ },
  { args: ['--zzzzzzzzz'], says: /shoal test --help/ },
  { args: ['-x'], says: /no option -x/ },
  { args: ['--size'], says: /--size needs a value: --size SIZE/ },
  { args: ['--size', '--long'], says: /--size needs a value/ },
  { args: ['--long=1'], says: /takes no value/ },
  { args: ['--type', 'x'], says: /"x": one of f, d/ },
]

for (const { args, says } of WRONG) {
  test(`"${args.join(' ')}" is refused with a word of help`, () => {
    assert.throws(
      () => parse(...args),
      (error) => isShoalError(error, 'INVALID_ARGUMENT') && says.test(error.message),
    )
  })
}

test('values are read by type, and what does not fit is named', () => {
  const { values } = parse('-s', '64KiB')
  assert.equal(values.sizeBytes('size'), 65_536)
  assert.equal(values.sizeBytes('type'), undefined)
  assert.equal(values.integer('type', { fallback: 3, min: 0, max: 5 }), 3)
  for (const text of ['6', '-1', '1.5', 'x', '']) {
    assert.throws(
      () => parse(`--size=${text}`).values.integer('size', { fallback: 3, min: 0, max: 5 }),
      /--size is ".*": a whole number from 0 to 5/,
    )
  }
  assert.throws(() => parse('-s', 'big').values.sizeBytes('size'), /"big"/)
})
