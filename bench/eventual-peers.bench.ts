// npm run bench eventual-peers [PEERS …]: what peers cost a node that takes writes of an eventual volume, and what nodes say to each other at rest.
// Real processes on loopback; for each number of peers (0, 2 and 6 unless told) small writes over REST to one node, and then a while of quiet.

import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { EventualNodes } from '../test/support/eventual-nodes.ts'
import { AUTHORIZATION, freePort } from '../test/support/node-process.ts'
import { measureHttpLoad } from './support/http-load.ts'

const PEERS = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [0, 2, 6]
const ROUNDS = 2
const QUIET_MS = 10_000
const REST_MS = 20_000
const TRAFFIC = /^shoal_(?:wire_(?:sent|received)_bytes_total|gossip_bytes_total)(?:\{[^}]*\})? ([\d.e+]+)$/gm

const ANSWERED = /^shoal_http_requests_total\{[^}]*method="PUT"[^}]*\} ([\d.e+]+)$/gm

/** Peers give way to the node that is asked, as if they had cores of their own; the disk is shared. */
const ports = new Map<number, number>()
for (let at = 1; at <= Math.max(...PEERS); at += 1) ports.set(at, await freePort())
const cluster = await EventualNodes.found({
  placeOf: (at) => {
    const port = ports.get(at)
    return port === undefined ? undefined : { host: '127.0.0.1', port, through: ['nice', '-n', '19'] }
  },
})
try {
  await cluster.call(0, '/volumes/shared', { method: 'PUT', body: '{"consistency":"eventual"}' })
  for (const peers of PEERS) {
    if (cluster.nodes.length <= peers) await cluster.grow(peers + 1 - cluster.nodes.length)
    for (const connections of [1, 16]) {
      if (peers > 0) await untilQuiet()
      await writes(peers, connections)
    }
    if (peers > 0) await rest(peers)
  }
} finally {
  await cluster.stop()
}

async function writes(peers: number, connections: number): Promise<void> {
  const rates: number[] = []
  const costs: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const [beforeMs, before] = [cpuMs(0), await writesOf(0)]
    rates.push(
      await measureHttpLoad({
        port: cluster.nodes[0]?.port ?? 0,
        method: 'PUT',
        path: `/api/v1/volumes/shared/files/of-${peers}-${connections}-${round}/`,
        paths: 1_000_000,
        connections,
        warmUpMs: 500,
        measureMs: 2_000,
        bodyBytes: 100,
        authorization: AUTHORIZATION,
      }),
    )
    costs.push(((cpuMs(0) - beforeMs) * 1_000) / ((await writesOf(0)) - before))
    await delay(500)
  }
  const shown = rates.map((rate) => Math.round(rate).toLocaleString('en'))
  const cost = costs.map((us) => Math.round(us))
  console.log(
    `${peers} peers, ${connections} at a time: ${shown.join(', ')} writes/s; ${cost.join(', ')} µs of processor time of the node a write`,
  )
}

/** Of all threads of a node's process, user and system together (proc(5): fields 14 and 15, in ticks of 10 ms). */
function cpuMs(at: number): number {
  const stat = readFileSync(`/proc/${cluster.nodes[at]?.child.pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Requests that a node has answered. */
async function writesOf(at: number): Promise<number> {
  const text = await (await fetch(`${cluster.nodes[at]?.origin}/metrics`, { headers: { authorization: AUTHORIZATION } })).text()
  return [...text.matchAll(ANSWERED)].reduce((sum, [, value]) => sum + Number(value), 0)
}

async function rest(peers: number): Promise<void> {
  await untilQuiet()
  await delay(QUIET_MS)
  const before = await trafficOf()
  await delay(REST_MS)
  const after = await trafficOf()
  const each = after.map((bytes, at) => (bytes - (before[at] as number)) / (REST_MS / 1_000) / 1_000)
  console.log(
    `${peers + 1} nodes at rest: ${each.map((rate) => rate.toFixed(2)).join(', ')} KB/s of each, sent and received together`,
  )
}

/** Until everybody has everything: newcomers have much to catch up with. Looking is work, too. */
async function untilQuiet(): Promise<void> {
  while (!(await isQuiet())) await delay(2_000)
}

async function isQuiet(): Promise<boolean> {
  const status = async (at: number) =>
    ((await (await cluster.call(at, '/status')).json()) as { eventual: { rumours: number } }).eventual.rumours
  const waiting = await Promise.all(cluster.nodes.map((_, at) => status(at)))
  const counts = await Promise.all(
    cluster.nodes.map(
      async (_, at) => ((await (await cluster.call(at, '/volumes/shared')).json()) as { usage: { files: number } }).usage.files,
    ),
  )
  return waiting.every((count) => count === 0) && new Set(counts).size === 1
}

function trafficOf(): Promise<number[]> {
  return Promise.all(
    cluster.nodes.map(async ({ origin }) => {
      const text = await (await fetch(`${origin}/metrics`, { headers: { authorization: AUTHORIZATION } })).text()
      return [...text.matchAll(TRAFFIC)].reduce((sum, [, value]) => sum + Number(value), 0)
    }),
  )
}
