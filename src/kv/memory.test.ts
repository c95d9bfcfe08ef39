import { MemoryDisk, openMemoryStore } from './memory.ts'
import { storeSuite } from './store.suite.ts'

storeSuite('memory', async () => {
  const disk = new MemoryDisk()
  let commits = 0
  const open = () => openMemoryStore({ disk, onCommit: () => (commits += 1) })
  let store = open()
  return {
    store,
    commits: () => commits,
    async reopen() {
      await store.close()
      store = open()
      return store
    },
    dispose: () => store.close(),
  }
})
