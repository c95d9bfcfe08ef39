import { openMemoryChunkStore } from './memory.ts'
import { suiteOfChunkStore } from './store.suite.ts'

suiteOfChunkStore('memory', async (clock) => ({ store: openMemoryChunkStore({ clock }) }))
