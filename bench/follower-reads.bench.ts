// npm run bench follower-reads: reads of a file of 1 KiB over REST from three nodes as processes of this machine, with their etcds: at the node
// that leads, and at one that doesn't: answered by its own copy, linearizable and stale, and sent on to the leader, as whatever isn't a view of a file
// is (here: of its volume). Answered requests a second; a generator in a process of its own shares the cores with all of them. Takes about a minute.
import { AUTHORIZATION } from '../test/support/node-process.ts'
import { ProcessCluster } from '../test/cluster/process-cluster.ts'
import { measureHttpLoad } from './support/http-load.ts'

const FILES = 100
/** With a number behind it. */
const VOLUME = 'docs'
const FILE = { path: `/api/v1/volumes/${VOLUME}0/files/f`, paths: FILES }
const ITSELF = { path: `/api/v1/volumes/${VOLUME}`, paths: 1 }
const ROWS = [
  { what: 'at the leader', isLeader: true, ...FILE },
  { what: 'at another node, linearizable', isLeader: false, ...FILE },
  { what: 'at another node, stale', isLeader: false, ...FILE, headers: 'X-Shoal-Consistency: stale\r\n' },
  { what: 'the volume itself, at the leader', isLeader: true, ...ITSELF },
  { what: 'the volume itself, at another node, which sends it on', isLeader: false, ...ITSELF },
]

const cluster = await ProcessCluster.start({ nodes: 3, mode: 'cluster' })
try {
  await cluster.ask('a volume', (client) => client.createVolume(`${VOLUME}0`))
  for (let at = 0; at < FILES; at += 1)
    await cluster.ask('a file', (client) => client.writeSmallFile(`${VOLUME}0`, `f${at}`, Buffer.alloc(1024, 0x61)))
  const leader = await cluster.leader()
  const other = cluster.running.find((at) => at !== leader) as number
  for (const { what, isLeader, ...asked } of ROWS)
    for (const connections of [1, 16, 64]) {
      const port = Number(new URL(cluster.restOf(isLeader ? leader : other)).port)
      const load = { method: 'GET', authorization: AUTHORIZATION, bodyBytes: 0, warmUpMs: 1_500, measureMs: 3_000 } as const
      const rate = await measureHttpLoad({ ...load, ...asked, port, connections })
      console.log(`${what}, ${connections} at a time`.padEnd(70), `${Math.round(rate).toLocaleString('en')}/s`)
    }
} finally {
  await cluster.dispose()
}
