import { createHash, randomFillSync } from 'node:crypto'
import { parseChunkId } from '#foundation/ids.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Ack } from '#placement/class-policy.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { WireCluster } from '#replication/wire-cluster.suite.ts'
import type { WireNode } from '#replication/wire-cluster.suite.ts'

// What replicated writes and reads do in a second: three nodes in one process, over TLS on loopback, on disks, so that one processor's
// worth of JavaScript does the work of all three. Prints a table, takes about a minute.

const KIB = 1024
const MIB = 1024 * KIB
const SECONDS_EACH = 1.5

interface Chunk {
  readonly id: ChunkId
  readonly bytes: Buffer
}

function chunksOf(sizeBytes: number, count: number): Chunk[] {
  return Array.from({ length: count }, () => {
    const bytes = nodeDigests.allocate(sizeBytes)
    randomFillSync(bytes)
    return { id: parseChunkId(createHash('sha256').update(bytes).digest('hex')), bytes }
  })
}

/** Runs `work` with `inFlight` at a time until the time or `most` is over; prints what was done. */
async function measure(
  name: string,
  { sizeBytes, inFlight, most = Infinity }: { sizeBytes: number; inFlight: number; most?: number },
  work: (at: number) => Promise<unknown>,
): Promise<void> {
  const startMs = performance.now()
  const cpu = process.cpuUsage()
  let begun = 0
  let done = 0
  const client = async (): Promise<void> => {
    while (begun < most && performance.now() - startMs < SECONDS_EACH * 1000) {
      begun += 1
      await work(begun - 1)
      done += 1
    }
  }
  await Promise.all(Array.from({ length: inFlight }, client))
  const seconds = (performance.now() - startMs) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const megabytes = (done * sizeBytes) / 1e6
  console.log(
    [
      name.padEnd(48),
      `${Math.round(done / seconds)} ops/s`.padStart(13),
      `${(megabytes / seconds).toFixed(1)} MB/s`.padStart(13),
      `${((user + system) / 1000 / ((done * sizeBytes) / MIB)).toFixed(1)} ms CPU/MiB`.padStart(18),
      `${((user + system) / done / 1000).toFixed(2)} ms CPU/op`.padStart(18),
    ].join(''),
  )
}

async function writes(cluster: WireCluster, name: string, sizeBytes: number, inFlight: number): Promise<Chunk[]> {
  const chunks = chunksOf(sizeBytes, sizeBytes === KIB ? 20_000 : 48)
  const options = { sizeBytes, inFlight, most: chunks.length }
  let written = 0
  await measure(name, options, async (at) => {
    const { id, bytes } = chunks[at] as Chunk
    await cluster.store.write(id, bytes)
    written = Math.max(written, at + 1)
  })
  return chunks.slice(0, written)
}

interface Setting {
  readonly name: string
  readonly ack: Ack
  /** Whether a fourth node writes, which has no chunks: then a primary forwards what it receives. */
  readonly isFourth: boolean
}

async function run({ name, ack, isFourth }: Setting): Promise<void> {
  const cluster = await WireCluster.open({ count: isFourth ? 4 : 3, isWriterStore: !isFourth, ack })
  const [writer, ...others] = cluster.nodes as [WireNode, WireNode, WireNode]
  const never = new AbortController().signal
  console.log(name)
  for (const [sizeBytes, size, inFlight] of [
    [KIB, '1 KiB', 1],
    [KIB, '1 KiB', 64],
    [8 * MIB, '8 MiB', 1],
    [8 * MIB, '8 MiB', 4],
  ] as const) {
    const chunks = await writes(cluster, `  write ${size}, 3 copies, ${ack}, ${inFlight} in flight`, sizeBytes, inFlight)
    await measure(`  read ${size} of another node, ${inFlight} in flight`, { sizeBytes, inFlight }, (read) => {
      const { id } = chunks[read % chunks.length] as Chunk
      const { id: node } = others[read % 2] as WireNode
      return writer.peers.store(node).read(id, { range: undefined, signal: never })
    })
    for (const { id } of chunks) await cluster.store.forget(id)
  }
  await cluster.store.close()
  await cluster.cleanUp()
}

await run({ name: 'the first round, for the compiler', ack: 'all', isFourth: false })
await run({ name: 'one of the three writes', ack: 'quorum', isFourth: false })
await run({ name: 'one of the three writes', ack: 'all', isFourth: false })
await run({ name: 'a fourth node writes', ack: 'all', isFourth: true })
