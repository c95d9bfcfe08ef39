import assert from 'node:assert/strict'
import { test } from 'node:test'
import { frameMultipart } from './multipart-ranges.ts'
import { formatContentRange, judgeRange, MAX_RANGES } from './ranges.ts'

const one = (offset: number, length: number) => ({ kind: 'ranges', ranges: [{ offset, length }] })
const WHOLE = { kind: 'whole' }
const UNSATISFIABLE = { kind: 'unsatisfiable' }

const TABLE: readonly (readonly [string, number, unknown])[] = [
  ['bytes=0-0', 10, one(0, 1)],
  ['bytes=0-', 10, one(0, 10)],
  ['bytes=2-4', 10, one(2, 3)],
  ['bytes=2-400', 10, one(2, 8)],
  ['bytes=-3', 10, one(7, 3)],
  ['bytes=-300', 10, one(0, 10)],
  ['BYTES=0-1', 10, one(0, 2)],
  ['bytes= 0-1 ', 10, one(0, 2)],
  ['bytes=10-', 10, UNSATISFIABLE],
  ['bytes=-0', 10, UNSATISFIABLE],
  ['bytes=0-', 0, UNSATISFIABLE],
  ['bytes=-1', 0, UNSATISFIABLE],
  ['bytes=10-,20-30', 10, UNSATISFIABLE],
  ['bytes=5-4', 10, WHOLE],
  ['bytes=-', 10, WHOLE],
  ['bytes=', 10, WHOLE],
  ['bytes=a-b', 10, WHOLE],
  ['bytes=1', 10, WHOLE],
  ['bytes=1-2;3-4', 10, WHOLE],
  ['bytes=99999999999999999999-', 10, WHOLE],
  ['items=0-1', 10, WHOLE],
  ['nonsense', 10, WHOLE],
  [
    'bytes=0-1,4-5',
    10,
    {
      kind: 'ranges',
      ranges: [
        { offset: 0, length: 2 },
        { offset: 4, length: 2 },
      ],
    },
  ],
  ['bytes=0-1,40-50', 10, one(0, 2)],
  ['bytes=0-8,1-9', 10, WHOLE],
]

test('ranges are judged as RFC 9110, section 14, says', () => {
  for (const [header, sizeBytes, verdict] of TABLE)
    assert.deepEqual(judgeRange(header, sizeBytes), verdict, `${header} of ${sizeBytes}`)
})

test('more ranges than the limit are answered with the whole', () => {
  const ranges = (count: number) => `bytes=${Array.from({ length: count }, (_, index) => `${index * 2}-${index * 2}`).join(',')}`
  assert.equal(judgeRange(ranges(MAX_RANGES), 1000).kind, 'ranges')
  assert.equal(judgeRange(ranges(MAX_RANGES + 1), 1000).kind, 'whole')
})

test('the length of a multipart body is that of its pieces', () => {
  const ranges = [
    { offset: 0, length: 2 },
    { offset: 5, length: 3 },
  ]
  const frame = frameMultipart(ranges, 10, { boundary: 'b', contentType: 'text/plain' })
  const body = Buffer.concat([
    frame.heads[0] as Buffer,
    Buffer.from('01'),
    frame.heads[1] as Buffer,
    Buffer.from('567'),
    frame.tail,
  ])
  assert.equal(body.length, frame.lengthBytes)
  assert.equal(
    body.toString(),
    '--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-7/10\r\n\r\n567\r\n--b--\r\n',
  )
  assert.equal(formatContentRange({ offset: 5, length: 5 }, 10), 'bytes 5-9/10')
})
