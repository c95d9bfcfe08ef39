import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { OPERATIONS } from './operations.ts'

test('docs/s3.md names every operation, and no other', () => {
  const text = readFileSync(new URL('../../../docs/s3.md', import.meta.url), 'utf8')
  const section = text.slice(text.indexOf('## Operations'), text.indexOf('## Errors'))
  const rows = section.split('\n').filter((line) => line.startsWith('| '))
  const named = rows.flatMap((row) => [...row.matchAll(/`([A-Z]\w+)`/g)].map(([, name]) => name as string))
  assert.deepEqual(named.toSorted(), OPERATIONS.map(({ name }) => name).toSorted())
})
