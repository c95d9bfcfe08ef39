import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeDigests } from '#platform/node-digests.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { openDiskChunkStore } from './disk.ts'
import { suiteOfChunkStore } from './store.suite.ts'

suiteOfChunkStore('disk', async (clock) => {
  const path = await mkdtemp(join(tmpdir(), 'shoal-chunks-'))
  const store = await openDiskChunkStore({ path, files: nodeFiles, digests: nodeDigests, clock, random: new SeededRandom(1) })
  return { store, cleanUp: () => rm(path, { recursive: true, force: true }) }
})

suiteOfChunkStore('disk with tiny packs, over files in memory', async (clock) => {
  const files = new MemoryFiles({ seed: 7 })
  return {
    store: await openDiskChunkStore({
      path: '/chunks',
      files,
      digests: nodeDigests,
      clock,
      random: new SeededRandom(1),
      packBytes: 20_000,
    }),
  }
})
