import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReaderDemand } from './reader-demand.ts'
import type { Load } from './reader-demand.ts'

const BUSY: Load = { busy: 0.9, idleCores: () => 1, requests: 2_000, reads: 1_900, returned: 3, connections: 16 }

/** After how many looks at the same load a thread is wanted; of twenty. */
function wantedAfter(load: Load): number | undefined {
  const demand = new ReaderDemand()
  for (let looks = 1; looks <= 20; looks += 1) if (demand.look(load)) return looks
  return undefined
}

test('a thread is wanted when the one that writes has been busy with reads for two seconds, and a core has nothing to do', () => {
  assert.equal(wantedAfter(BUSY), 8)
  assert.equal(wantedAfter({ ...BUSY, busy: 0.6 }), undefined)
  assert.equal(wantedAfter({ ...BUSY, idleCores: () => 0.2 }), undefined)
  assert.equal(wantedAfter({ ...BUSY, reads: 1_000 }), undefined)
  assert.equal(wantedAfter({ ...BUSY, returned: 400 }), undefined)
  assert.equal(wantedAfter({ ...BUSY, connections: 1 }), undefined)
  assert.equal(wantedAfter({ ...BUSY, requests: 0, reads: 0, returned: 0 }), undefined)
})

test('a pause begins the count anew, and so does a thread that is started', () => {
  const demand = new ReaderDemand()
  for (let looks = 1; looks < 8; looks += 1) assert.equal(demand.look(BUSY), false)
  assert.equal(demand.look({ ...BUSY, busy: 0.1 }), false)
  for (let looks = 1; looks < 8; looks += 1) assert.equal(demand.look(BUSY), false)
  assert.equal(demand.look(BUSY), true)
  assert.equal(demand.look(BUSY), false)
})
