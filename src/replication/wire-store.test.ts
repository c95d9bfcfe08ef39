import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { suiteOfChunkStore } from '#chunk/store.suite.ts'
import type { SuiteStore } from '#chunk/store.suite.ts'
import type { Clock } from '#platform/clock.ts'
import { MemoryNetwork } from '#platform/memory-sockets.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { WireCluster, memoryNetwork, openTestDisk } from './wire-cluster.suite.ts'

/** The folders of a disk's chunks take a while to be made: the tests share them, and leave them empty. */
class Disks {
  #stores: readonly ChunkStore[] = []
  #folder: string | undefined

  async open(count: number, clock: Clock): Promise<readonly ChunkStore[]> {
    this.#folder ??= await mkdtemp(join(tmpdir(), 'shoal-copies-'))
    const paths = Array.from({ length: count }, (_, at) => this.#path(at))
    this.#stores = await Promise.all(paths.map((path) => openTestDisk(path, clock)))
    return this.#stores
  }

  async empty(): Promise<void> {
    for (const [at, store] of this.#stores.entries()) {
      for await (const { id } of store.list()) await store.forget(id)
      await store.close()
      for (const name of ['packs', 'packs.index']) await rm(join(this.#path(at), name), { recursive: true, force: true })
    }
  }

  async remove(): Promise<void> {
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true })
  }

  #path(at: number): string {
    return join(this.#folder ?? '', `node-${at}`)
  }
}

function suiteOverTls(name: string, { count, copies }: { count: number; copies: number }): void {
  const disks = new Disks()
  suiteOfChunkStore(name, async (clock): Promise<SuiteStore> => {
    const cluster = await WireCluster.open({ clock, count, copies, stores: await disks.open(count, clock) })
    const cleanUp = async (): Promise<void> => {
      await cluster.cleanUp()
      await disks.empty()
    }
    return { store: cluster.store, cleanUp }
  })
  after(() => disks.remove())
}

suiteOverTls('replicated, three copies on four nodes with disks, over TLS', { count: 4, copies: 3 })

suiteOfChunkStore('replicated, three copies on four nodes, over sockets in memory', (clock) => {
  const network = memoryNetwork(new MemoryNetwork({ clock, random: new SeededRandom(1) }))
  const stores = Array.from({ length: 4 }, () => openMemoryChunkStore({ clock }))
  return WireCluster.open({ clock, network, stores })
})
