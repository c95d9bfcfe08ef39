import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOwner } from './owner.ts'

test('owners are numbers or names of this machine, with or without a group', async () => {
  const cases = [
    ['1234567', { uid: 1234567 }],
    ['1234567:89', { uid: 1234567, gid: 89 }],
    [':89', { gid: 89 }],
    ['root', { uid: 0 }],
    ['root:', { uid: 0, gid: 0 }],
    ['0:', { uid: 0, gid: 0 }],
    [':root', { gid: 0 }],
  ] as const
  for (const [text, expected] of cases) assert.deepEqual(await parseOwner(text, 'OWNER'), expected, text)
  const refused = ['', ':', 'nobody by this name', '1:2:3', '-1', '4294967295', '1234567:'] as const
  for (const text of refused) await assert.rejects(parseOwner(text, 'OWNER'), /OWNER/, text)
})
