import type { ChunkFollower } from '#chunk/chunk-follower.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { isShoalError } from '#foundation/errors.ts'
import { forTheWriter } from '#kv/following-store.ts'

/** The chunks of another thread, or those of a cluster that another node leads, which are only read here. What can't be read, since it is on
 *  another node or damaged, is for that thread or node, which knows what to do about it. */
export function withheldChunks(follower: Pick<ChunkFollower, 'read' | 'releaseFiles'>): ChunkStore {
  return {
    async read(...args) {
      try {
        return await follower.read(...args)
      } catch (error) {
        if (!isShoalError(error)) throw error
        throw forTheWriter('What can not be read here is read by whoever writes it', error)
      }
    },
    close: () => follower.releaseFiles(),
    write: refuse,
    locate: refuse,
    forget: refuse,
    verify: refuse,
    // oxlint-disable-next-line require-yield
    async *list() {
      throw notHere()
    },
    usage: refuse,
  }
}

function refuse(): Promise<never> {
  return Promise.reject(notHere())
}

function notHere(): Error {
  return forTheWriter('Chunks are only read here')
}
