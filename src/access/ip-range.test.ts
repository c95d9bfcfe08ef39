import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { isInRange, parseIp, parseIpRange } from './ip-range.ts'

test('addresses are in blocks, whichever way they are written', () => {
  for (const [address, block, expected] of [
    ['10.1.2.3', '10.0.0.0/8', true],
    ['11.1.2.3', '10.0.0.0/8', false],
    ['::ffff:10.1.2.3', '10.0.0.0/8', true],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.4', '10.1.2.3/32', false],
    ['10.1.2.4', '0.0.0.0/0', true],
    ['::1', '0.0.0.0/0', false],
    ['2001:db8::1', '2001:DB8::/32', true],
    ['2001:db9::1', '2001:db8::/32', false],
    ['fe80::1%eth0', 'fe80::/10', true],
    ['10.1.2.3', '::/0', true],
  ] as const) {
    const range = parseIpRange(block)
    assert.ok(range !== undefined, block)
    assert.equal(isInRange(parseIp(address) as bigint, range), expected, `${address} in ${block}`)
  }
})

test('what is no address is none', () => {
  for (const text of ['', '10.0.0', '10.0.0.256', '010.0.0.1', '1.2.3.4.5', ':::', '1:2', '1:2:3:4:5:6:7:8:9', 'g::', '1::2::3'])
    assert.equal(parseIp(text), undefined, text)
  for (const text of ['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/8/8', '/8'])
    assert.equal(parseIpRange(text), undefined, text)
})

test('the same texts are addresses as to the system', () => {
  const piece = fc.constantFrom('0', '1', 'ff', 'ffff', ':', '::', '.', '10.0.0.1', 'db8', '12345')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join('')
      assert.equal(parseIp(text) !== undefined, isIP(text) !== 0, text)
    }),
    { numRuns: 3_000 },
  )
})
