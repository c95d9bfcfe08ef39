import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Machines, missingIn, stepsOf } from './followed-page.ts'

// The pages for operators are followed as they stand, in one cluster: what one section leaves, the next one begins with.

function sectionsOf(page: string): Map<string, ReturnType<typeof stepsOf> extends Map<string, infer Steps> ? Steps : never> {
  return stepsOf(readFileSync(fileURLToPath(new URL(`../../docs/operations/${page}`, import.meta.url)), 'utf8'))
}

test('canary: what a page promises and is not to be seen is noticed', () => {
  const [step] = stepsOf('## A\n```console\none$ shoal ls\n… two … three\nfour\n```\n').get('A') ?? []
  assert.deepEqual(step, { machine: 'one', command: 'shoal ls', seen: ['… two … three', 'four'] })
  assert.equal(missingIn('one  two   and three\nfour', step?.seen ?? []), undefined)
  assert.equal(missingIn('four\none two three', step?.seen ?? []), undefined)
  assert.equal(missingIn('one two three four', ['… four', 'one …']), 'one …')
  assert.equal(missingIn('one three two\nfour', step?.seen ?? []), '… two … three')
})

describe('what the pages for operators say, followed step by step', () => {
  let machines: Machines
  let hasFailed = false
  before(async () => {
    machines = await Machines.make()
  })
  after(() => machines.dispose())

  for (const page of ['cluster.md', 'backup.md', 'etcd.md']) {
    for (const [section, steps] of sectionsOf(page)) {
      test(`${page}: ${section}`, async (t) => {
        if (hasFailed) return t.skip('what it begins with is not there')
        hasFailed = true
        await machines.follow(steps)
        hasFailed = false
      })
    }
  }
})
