import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Machines, missingIn, sectionsOf, stepsOf } from './followed-page.ts'

// docs/operations/cluster.md is followed as it stands, in one cluster: what one section leaves, the next one begins with. The other pages
// take longer: operations.soak.ts.

test('canary: what a page promises and is not to be seen is noticed', () => {
  const [step] = stepsOf('## A\n```console\none$ shoal ls\n… two … three\nfour\n```\n').get('A') ?? []
  assert.deepEqual(step, { machine: 'one', command: 'shoal ls', seen: ['… two … three', 'four'] })
  assert.equal(missingIn('one  two   and three\nfour', step?.seen ?? []), undefined)
  assert.equal(missingIn('four\none two three', step?.seen ?? []), undefined)
  assert.equal(missingIn('one two three four', ['… four', 'one …']), 'one …')
  assert.equal(missingIn('one three two\nfour', step?.seen ?? []), '… two … three')
})

describe('docs/operations/cluster.md, followed step by step', () => {
  let machines: Machines
  let hasFailed = false
  before(async () => {
    machines = await Machines.make()
  })
  after(() => machines.dispose())

  for (const [section, steps] of sectionsOf('cluster.md')) {
    test(section, async (t) => {
      if (hasFailed) return t.skip('what it begins with is not there')
      hasFailed = true
      await machines.follow(steps)
      hasFailed = false
    })
  }
})
