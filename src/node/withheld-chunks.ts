import type { ChunkStore } from '#chunk/store.ts'
import { forTheWriter } from '#kv/following-store.ts'

/** The chunks of another thread, which are none of this one's: contents that aren't in the metadata are read there. */
export const withheldChunks: ChunkStore = {
  write: refuse,
  read: refuse,
  locate: refuse,
  forget: refuse,
  verify: refuse,
  // oxlint-disable-next-line require-yield
  async *list() {
    throw notHere()
  },
  usage: refuse,
  close: () => Promise.resolve(),
}

function refuse(): Promise<never> {
  return Promise.reject(notHere())
}

function notHere(): Error {
  return forTheWriter('Chunks are read by the thread that writes them')
}
