import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Entry } from '#volume/volume.ts'
import { HideShadowed } from './hide-shadowed.ts'

const entry = (path: string, type: 'file' | 'directory') => ({ path: path.split('/'), attributes: { type } }) as unknown as Entry
const show = ({ path, attributes }: Entry) => `${path.join('/')}${attributes.type === 'directory' ? '/' : ''}`

function hide(entries: readonly Entry[]): string[] {
  const hiding = new HideShadowed()
  return [...entries.flatMap((each) => hiding.accept(each)), ...hiding.finish()].map(show).toSorted()
}

test('a file is hidden by the directory of its name, whatever comes between the two', () => {
  const names = ['a', 'a!', 'a-b', 'a-b/', 'a/', 'a/x', 'a/x/', 'a0', 'b']
  const entries = names.map((name) => entry(name.replace(/\/$/, ''), name.endsWith('/') ? 'directory' : 'file'))
  assert.deepEqual(hide(entries), ['a!', 'a-b/', 'a/', 'a/x/', 'a0', 'b'])
})

test('of any listing just the shadowed files are hidden', () => {
  const name = fc.stringMatching(/^[!.0ab]{1,4}$/)
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 20 }), fc.uniqueArray(name, { maxLength: 20 }), (files, directories) => {
      const keys = [...files, ...directories.map((each) => `${each}/`)].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))) // prettier-ignore
      const entries = keys.map((key) => entry(key.replace(/\/$/, ''), key.endsWith('/') ? 'directory' : 'file'))
      const expected = keys.filter((key) => key.endsWith('/') || !directories.includes(key)).toSorted()
      assert.deepEqual(hide(entries), expected)
    }),
  )
})
