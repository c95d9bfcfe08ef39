// npm run bench failover-client [KILLS] [NODES]: how long a client can't write after the node that leads was killed, with its etcd. Whole
// nodes as processes of this machine; a client writes small files over REST at each of the other nodes, one after the other, and
// waits for each answer. Measured is the time from the kill to the first answer of success to a write that began after it, at each of them.
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { AUTHORIZATION } from '../test/support/node-process.ts'
import { ProcessCluster } from '../test/cluster/process-cluster.ts'

const KILLS = Number(process.argv[2] ?? 25)
const NODES = Number(process.argv[3] ?? 3)
/** etcd gives its leadership on to another node than the one that leads the metadata a round after a change. */
const SETTLE_MS = 3_000

const cluster = await ProcessCluster.start({ nodes: NODES, mode: 'cluster' })
await cluster.ask('a volume', (client) => client.createVolume('docs'))
const tookMs: number[] = []
try {
  for (let kill = 0; kill < KILLS; kill += 1) {
    await cluster.healthy()
    await delay(SETTLE_MS)
    const leader = await cluster.leader()
    const others = cluster.running.filter((at) => at !== leader)
    const beganMs = performance.now()
    const killed = cluster.kill(leader)
    tookMs.push(...(await Promise.all(others.map((at) => untilWritten(at, `${kill}-${at}`, beganMs)))))
    await killed
    await cluster.restart(leader)
    if (kill % 5 === 4) console.log(`${kill + 1} kills: ${tookMs.slice(-10).join(', ')} ms`)
  }
} finally {
  await cluster.dispose()
}
const sorted = tookMs.toSorted((a, b) => a - b)
const share = (part: number): number | undefined => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
console.log(`all: ${sorted.join(', ')} ms`)
console.log(`${KILLS} kills, ${sorted.length} clients' views: median ${share(0.5)} ms, 99th percentile ${share(0.99)} ms`)

/** Writes until one is acknowledged; how long after the kill. */
async function untilWritten(at: number, name: string, beganMs: number): Promise<number> {
  for (;;) {
    const url = `${cluster.restOf(at)}/api/v1/volumes/docs/files/${name}`
    const status = await request(url, { method: 'PUT', body: 'x', headers: { authorization: AUTHORIZATION } }).then(
      async ({ statusCode, body }) => {
        await body.dump()
        return statusCode
      },
      () => 0,
    )
    if (status >= 200 && status < 300) return Math.round(performance.now() - beganMs)
    await delay(20)
  }
}
