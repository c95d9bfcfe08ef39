import { suiteOfChunkStore } from '#chunk/store.suite.ts'
import { Fixture } from './replicated-fixture.suite.ts'

suiteOfChunkStore('replicated, three copies of five nodes, all acknowledged', async (clock) => new Fixture({ clock, ack: 'all' }))
suiteOfChunkStore('replicated, three copies of seven nodes in two zones, a quorum', async (clock) => {
  return new Fixture({ clock, count: 7, zones: 2 })
})
suiteOfChunkStore('replicated, one copy on three nodes', async (clock) => new Fixture({ clock, count: 3, copies: 1, ack: 'all' }))
