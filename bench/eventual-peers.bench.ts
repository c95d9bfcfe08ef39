// npm run bench eventual-peers -- [--share HOW] [--at-once N,…] [--rounds N] [--bytes N] [--rest] [PEERS …]: what peers cost a node that takes writes of an eventual
// volume, and with --rest what nodes say to each other at rest. Real processes on loopback; for each number of peers (0, 2 and 6 unless told) small writes over
// REST to one node. Where a number is smaller than the one before, the others are stopped: `0 2 0 2` measures both with as much on the disk. HOW the processor is shared: `nice` (unless told): peers give way, as if they had cores of their own; `equal`: all have the same priority;
// `apart`: the node and its client have the first core, also when the node is alone, and the peers have the second.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { EventualNodes } from '../test/support/eventual-nodes.ts'
import { AUTHORIZATION, freePort } from '../test/support/node-process.ts'
import { measureHttpLoad } from './support/http-load.ts'

const { values, positionals } = parseArgs({
  options: {
    share: { type: 'string', default: 'nice' },
    rounds: { type: 'string', default: '2' },
    rest: { type: 'boolean', default: false },
    bytes: { type: 'string', default: '100' },
    'at-once': { type: 'string', default: '1,16' },
  },
  allowPositionals: true,
})
const PEERS = positionals.length > 0 ? positionals.map(Number) : [0, 2, 6]
const ROUNDS = Number(values.rounds)
const THROUGH: Readonly<Record<string, { readonly node: readonly string[]; readonly peer: readonly string[] }>> = {
  nice: { node: [], peer: ['nice', '-n', '19'] },
  equal: { node: [], peer: [] },
  apart: { node: ['taskset', '-c', '0'], peer: ['taskset', '-c', '1'] },
}
const through = THROUGH[values.share]
if (through === undefined) throw new Error(`--share is one of ${Object.keys(THROUGH).join(', ')}`)
if (values.share === 'apart') execFileSync('taskset', ['-a', '-c', '-p', '0', String(process.pid)])
const QUIET_MS = 10_000
const REST_MS = 20_000
const TRAFFIC = /^shoal_(?:wire_(?:sent|received)_bytes_total|gossip_bytes_total)(?:\{[^}]*\})? ([\d.e+]+)$/gm

const ANSWERED = /^shoal_http_requests_total\{[^}]*method="PUT"[^}]*\} ([\d.e+]+)$/gm

const ports: number[] = []
for (let at = 0; at <= Math.max(...PEERS); at += 1) ports.push(await freePort())
const cluster = await EventualNodes.found({
  placeOf: (at) => ({ host: '127.0.0.1', port: ports[at] as number, through: at === 0 ? through.node : through.peer }),
})
let running = 1
let series = 0
try {
  await cluster.call(0, '/volumes/shared', { method: 'PUT', body: '{"consistency":"eventual"}' })
  for (const peers of PEERS) {
    await have(peers)
    for (const connections of values['at-once'].split(',').map(Number)) {
      if (peers > 0) await untilQuiet()
      await writes(peers, connections)
    }
    if (peers > 0 && values.rest) await rest(peers)
  }
} finally {
  await cluster.stop()
}

/** Starts and stops nodes until the first one has so many peers. */
async function have(peers: number): Promise<void> {
  for (let at = running; at > peers + 1; at -= 1) await cluster.nodes[at - 1]?.stop()
  for (let at = running; at < Math.min(peers + 1, cluster.nodes.length); at += 1) await cluster.start(at)
  if (cluster.nodes.length <= peers) await cluster.grow(peers + 1 - cluster.nodes.length)
  const isGone = running > peers + 1
  running = peers + 1
  // By then those who have left are known to have.
  if (isGone) await delay(QUIET_MS)
}

function up(): (typeof cluster.nodes)[0][] {
  return cluster.nodes.slice(0, running)
}

async function writes(peers: number, connections: number): Promise<void> {
  const rates: number[] = []
  const costs: number[] = []
  const totals: number[] = []
  series += 1
  for (let round = 0; round < ROUNDS; round += 1) {
    const [beforeMs, before] = [cpuMs(0), await writesOf(0)]
    const allBeforeMs = cpuOfAllMs()
    rates.push(
      await measureHttpLoad({
        port: cluster.nodes[0]?.port ?? 0,
        method: 'PUT',
        path: `/api/v1/volumes/shared/files/of-${series}-${round}/`,
        paths: 1_000_000,
        connections,
        warmUpMs: 500,
        measureMs: 2_000,
        bodyBytes: Number(values.bytes),
        authorization: AUTHORIZATION,
      }),
    )
    const count = (await writesOf(0)) - before
    costs.push(((cpuMs(0) - beforeMs) * 1_000) / count)
    await untilCaughtUp(peers)
    totals.push(((cpuOfAllMs() - allBeforeMs) * 1_000) / count)
    await delay(500)
  }
  const shown = rates.map((rate) => Math.round(rate).toLocaleString('en'))
  const [cost, total] = [costs, totals].map((all) => all.map((us) => Math.round(us)).join(', '))
  console.log(
    `${peers} peers, ${connections} at a time: ${shown.join(', ')} writes/s; processor time a write: ${cost} µs of the node, ${total} µs of all until all had everything`,
  )
}

/** Until each peer has everything that was written before, as it says itself. */
async function untilCaughtUp(peers: number): Promise<void> {
  const doneMs = performance.now()
  const isBehind = async (at: number): Promise<boolean> => {
    const { eventual } = (await (await cluster.call(at, '/status')).json()) as { eventual: { oldestDifferenceSeconds?: number } }
    return (eventual.oldestDifferenceSeconds ?? Number.POSITIVE_INFINITY) * 1_000 > performance.now() - doneMs
  }
  for (let at = 1; at <= peers; at += 1) while (await isBehind(at)) await delay(500)
}

function cpuOfAllMs(): number {
  return [...up().keys()].reduce((sum, at) => sum + cpuMs(at), 0)
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
  const waiting = await Promise.all(up().map((_, at) => status(at)))
  const counts = await Promise.all(
    up().map(
      async (_, at) => ((await (await cluster.call(at, '/volumes/shared')).json()) as { usage: { files: number } }).usage.files,
    ),
  )
  return waiting.every((count) => count === 0) && new Set(counts).size === 1
}

function trafficOf(): Promise<number[]> {
  return Promise.all(
    up().map(async ({ origin }) => {
      const text = await (await fetch(`${origin}/metrics`, { headers: { authorization: AUTHORIZATION } })).text()
      return [...text.matchAll(TRAFFIC)].reduce((sum, [, value]) => sum + Number(value), 0)
    }),
  )
}
