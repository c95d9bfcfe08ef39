import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ContentLayer, contentPieces, type ContentPiece } from './content-layer.ts'

const change = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), offset: fc.nat(40), length: fc.nat(20) }),
  fc.record({ kind: fc.constant('truncate' as const), sizeBytes: fc.nat(50) }),
  fc.record({ kind: fc.constant('new layer' as const) }),
)

test('layers show what a file in memory has, in every range', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.array(change, { maxLength: 30 }), fc.nat(60), fc.nat(60), (baseBytes, changes, from, length) => {
      let model = Buffer.alloc(baseBytes, 'b')
      let journal = Buffer.alloc(0)
      const layers = [new ContentLayer(baseBytes)]
      changes.forEach((step, index) => {
        const layer = layers.at(-1) as ContentLayer
        if (step.kind === 'new layer') layers.push(new ContentLayer(layer.sizeBytes))
        else if (step.kind === 'truncate') {
          layer.truncate(step.sizeBytes)
          const cut = Buffer.alloc(step.sizeBytes)
          model.copy(cut)
          model = cut
        } else {
          const bytes = Buffer.alloc(step.length, 65 + index)
          layer.write({ offset: step.offset, length: step.length, place: { segment: 7, position: journal.length } })
          journal = Buffer.concat([journal, bytes])
          if (bytes.length === 0) return
          const grown = Buffer.alloc(Math.max(model.length, step.offset + step.length))
          model.copy(grown)
          bytes.copy(grown, step.offset)
          model = grown
        }
      })
      const pieces = contentPieces(layers, { offset: from, length })
      const shown = Buffer.concat(pieces.map((piece) => bytesOf(piece, journal)))
      assert.deepEqual(shown, model.subarray(from, from + length))
      const last = layers.at(-1) as ContentLayer
      assert.equal(last.sizeBytes, model.length)
      const written = last.runs.reduce((sum, { length: bytes }) => sum + bytes, 0)
      const below = last.shownBytes
      assert.equal(
        last.occupiedOver(1_000),
        last.isWhole ? model.length : Math.max(below, Math.min(model.length, below + written)),
      )
    }),
    { numRuns: 500 },
  )
})

function bytesOf(piece: ContentPiece, journal: Buffer): Buffer {
  if (piece.kind === 'zeros') return Buffer.alloc(piece.length)
  if (piece.kind === 'base') return Buffer.alloc(piece.length, 'b')
  return journal.subarray(piece.place.position, piece.place.position + piece.length)
}

test('what has something set aside is not sent as a whole, which would let go of it, until it is cut', () => {
  const layer = new ContentLayer(0, true)
  layer.write({ offset: 0, length: 10, place: { segment: 1, position: 0 } })
  assert.equal(layer.isWhole, false)
  assert.equal(layer.isInParts, true)
  assert.equal(layer.occupiedOver(5_000), 5_000)
  layer.truncate(0)
  assert.equal(layer.isWhole, true)
  assert.equal(layer.occupiedOver(5_000), 0)
})

test('what nothing shows through of is sent as a whole', () => {
  const layer = new ContentLayer(10)
  layer.write({ offset: 0, length: 10, place: { segment: 1, position: 0 } })
  assert.equal(layer.isWhole, false)
  layer.truncate(0)
  assert.equal(layer.isWhole, true)
})
