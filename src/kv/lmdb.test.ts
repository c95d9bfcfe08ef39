import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLmdbStore } from './lmdb.ts'
import { storeSuite } from './store.suite.ts'

storeSuite('lmdb', async () => {
  const path = await mkdtemp(join(tmpdir(), 'shoal-kv-'))
  let commits = 0
  const open = () => openLmdbStore({ path, onCommit: () => (commits += 1) })
  let store = await open()
  return {
    store,
    commits: () => commits,
    async reopen() {
      await store.close()
      store = await open()
      return store
    },
    async dispose() {
      await store.close()
      await rm(path, { recursive: true })
    },
  }
})
