import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts'

test('sizes and durations read as people write them', () => {
  assert.equal(parseSize('65536'), 65_536)
  assert.equal(parseSize('8MiB'), 8 * 2 ** 20)
  assert.equal(parseSize(' 1.5 GB '), 1_500_000_000)
  assert.equal(parseDuration('500ms'), 500)
  assert.equal(parseDuration('1.5h'), 5_400_000)
  assert.equal(parseDuration('7d'), 604_800_000)
})

test('what is no size or duration is refused, not guessed', () => {
  for (const word of ['', 'MiB', '-1', '1e3', '8 mib', '8MiB/s', '0x10', '1.3', '1,5GB', '99999999TiB', 'constructor']) {
    assert.equal(parseSize(word), undefined, word)
  }
  for (const word of ['', '30', '30 sec', '-1s', '1m30s', '0.1ms', 'd']) assert.equal(parseDuration(word), undefined, word)
})

test('what is formatted reads back as it was', () => {
  const amounts = fc.nat().chain((nat) => fc.constantFrom(nat, nat * 1_000, nat * 3_600_000, nat * 1_024, nat * 2 ** 20))
  fc.assert(
    fc.property(amounts, (amount) => {
      assert.equal(parseSize(formatSize(amount)), amount)
      assert.equal(parseDuration(formatDuration(amount)), amount)
    }),
  )
})
