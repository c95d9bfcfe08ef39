// Every size of file in every size of chunk: one node writes to six that store, and each copy is fetched from its holder.
// `npm run stores` takes a minute or two, 1 GiB of room below the system's temporary folder, and 1 GiB of memory.

import { MIB, checkCopies, cutFile, forgetChunks, openSixStores, writeChunks } from '#replication/six-stores.suite.ts'

const FILES_BYTES = [1024, 64 * 1024, MIB - 1, MIB, MIB + 1, 10 * MIB, 50 * MIB, 100 * MIB]
const CHUNKS_BYTES = [1, 4, 8, 32, 64].map((size) => size * MIB)

const cluster = await openSixStores()
let copies = 0
for (const chunkBytes of CHUNKS_BYTES) {
  for (const [seed, fileBytes] of FILES_BYTES.entries()) {
    const startMs = performance.now()
    const chunks = cutFile({ fileBytes, chunkBytes, seed: seed + 1 })
    await writeChunks(cluster, chunks)
    copies += await checkCopies(cluster, chunks)
    await forgetChunks(cluster, chunks)
    console.log(`${fileBytes} bytes in chunks of ${chunkBytes / MIB} MiB: ${Math.round(performance.now() - startMs)} ms`)
  }
}
console.log(`${copies} copies, each byte for byte at its holder; ${cluster.repairs.size} repairs were asked for`)
await cluster.cleanUp()
if (cluster.repairs.size > 0) process.exitCode = 1
