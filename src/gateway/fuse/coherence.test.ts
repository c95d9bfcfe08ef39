import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InodeId } from '#foundation/ids.ts'
import { Coherence } from './coherence.ts'

const [one, other] = [17 as InodeId, 18 as InodeId]
const HOUR_MS = 3_600_000

test('an answer is good for long while changes are told, and for a second while they are not', () => {
  const coherence = new Coherence()
  assert.equal(coherence.validMs(coherence.mark(), one), 1000)
  coherence.isTold = true
  assert.equal(coherence.validMs(coherence.mark(), one), HOUR_MS)
})

test('an answer that was asked for before a change and comes after it is not kept', () => {
  const coherence = new Coherence()
  coherence.isTold = true
  const before = coherence.mark()
  coherence.changed(one)
  assert.equal(coherence.validMs(before, one), 0)
  assert.equal(coherence.validMs(before, other), HOUR_MS)
  assert.equal(coherence.validMs(before, other, one), 0)
  assert.equal(coherence.validMs(coherence.mark(), one), HOUR_MS)
  const mark = coherence.mark()
  coherence.changedAll()
  assert.equal(coherence.validMs(mark, other), 0)
})

test('what is remembered of changes is bounded, and what is forgotten is taken for changed', () => {
  const coherence = new Coherence()
  coherence.isTold = true
  const mark = coherence.mark()
  for (let inode = 100; inode < 10_200; inode += 1) coherence.changed(inode as InodeId)
  assert.equal(coherence.validMs(mark, one), 0)
  assert.equal(coherence.validMs(coherence.mark(), one), HOUR_MS)
})

test('that a name is absent is kept for long only where all such names can be dropped', () => {
  const coherence = new Coherence()
  coherence.isTold = true
  assert.equal(coherence.absentMs(coherence.mark(), one), 1000)
  coherence.dropsNames = true
  assert.equal(coherence.absentMs(coherence.mark(), one), HOUR_MS)
})
