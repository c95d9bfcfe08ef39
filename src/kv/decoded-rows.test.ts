import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DecodedRows } from './decoded-rows.ts'

const asText = (value: Buffer): string => value.toString()
const asLength = (value: Buffer): number => value.length

test('a row that is kept is found by those who read it alike, until it is forgotten', () => {
  const rows = new DecodedRows(10)
  rows.keep('a', asText, 'A')
  assert.equal(rows.find('a', asText), 'A')
  assert.equal(rows.find('a', asLength), undefined)
  rows.keep('a', asLength, 1)
  assert.equal(rows.find('a', asLength), 1)
  rows.forget('a')
  assert.equal(rows.find('a', asLength), undefined)
})

test('it never holds more than its limit, and at least the newer half of it', () => {
  const rows = new DecodedRows(10)
  for (let at = 0; at < 1_000; at += 1) {
    rows.keep(`k${at}`, asText, String(at))
    assert.ok(rows.size <= 10)
    for (let back = Math.max(0, at - 4); back <= at; back += 1) assert.equal(rows.find(`k${back}`, asText), String(back))
    assert.equal(rows.find(`k${at - 10}`, asText), undefined)
  }
})

test('a row is forgotten wherever it is', () => {
  const rows = new DecodedRows(10)
  const names = Array.from({ length: 8 }, (_, at) => `k${at}`)
  for (const name of names) rows.keep(name, asText, 'before')
  for (const name of names) rows.keep(name, asText, 'after')
  for (const name of names.slice(4)) assert.equal(rows.find(name, asText), 'after')
  for (const name of names) rows.forget(name)
  for (const name of names) assert.equal(rows.find(name, asText), undefined)
  assert.equal(rows.size, 0)
})
