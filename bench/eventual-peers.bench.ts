// npm run bench eventual-peers -- [--share HOW] [--at-once N,…] [--rounds N] [--bytes N] [--rest] [PEERS …]: what peers cost a node that takes writes of an eventual
// volume, and with --rest what nodes say to each other at rest. Real processes on loopback; for each number of peers (0, 2 and 6 unless told) small writes over
// REST to one node. Where a number is smaller than the one before, the others are stopped: `0 2 0 2` measures both with as much on the disk. HOW the processor is shared: `nice` (unless told): peers give way, as if they had cores of their own; `equal`: all have the same priority;
// `apart`: the node and its client have the first core, also when the node is alone, and the peers have the second.

import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { EventualNodes } from '../test/support/eventual-nodes.ts'
import { AUTHORIZATION, freePort } from '../test/support/node-process.ts'
import { EventualWrites, type Measured } from './support/eventual-writes.ts'

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

const ports: number[] = []
for (let at = 0; at <= Math.max(...PEERS); at += 1) ports.push(await freePort())
const cluster = await EventualNodes.found({
  placeOf: (at) => ({ host: '127.0.0.1', port: ports[at] as number, through: at === 0 ? through.node : through.peer }),
})
const eventualWrites = new EventualWrites(cluster, Number(values.bytes))
let running = 1
try {
  await cluster.call(0, '/volumes/shared', { method: 'PUT', body: '{"consistency":"eventual"}' })
  for (const peers of PEERS) {
    await have(peers)
    for (const connections of values['at-once'].split(',').map(Number)) {
      if (peers > 0) await eventualWrites.untilQuiet(running)
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
  const rounds: Measured[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    rounds.push(await eventualWrites.measure({ connections, warmUpMs: 500, measureMs: 2_000 }, running))
    await delay(500)
  }
  const shown = (read: (round: Measured) => number) =>
    rounds.map((round) => Math.round(read(round)).toLocaleString('en')).join(', ')
  console.log(
    `${peers} peers, ${connections} at a time: ${shown(({ rate }) => rate)} writes/s; processor time a write: ${shown(({ nodeUs }) => nodeUs)} µs of the node, ${shown(({ allUs }) => allUs)} µs of all until all had everything`,
  )
}

async function rest(peers: number): Promise<void> {
  await eventualWrites.untilQuiet(running)
  await delay(QUIET_MS)
  const before = await trafficOf()
  await delay(REST_MS)
  const after = await trafficOf()
  const each = after.map((bytes, at) => (bytes - (before[at] as number)) / (REST_MS / 1_000) / 1_000)
  console.log(
    `${peers + 1} nodes at rest: ${each.map((rate) => rate.toFixed(2)).join(', ')} KB/s of each, sent and received together`,
  )
}

function trafficOf(): Promise<number[]> {
  return Promise.all(
    up().map(async ({ origin }) => {
      const text = await (await fetch(`${origin}/metrics`, { headers: { authorization: AUTHORIZATION } })).text()
      return [...text.matchAll(TRAFFIC)].reduce((sum, [, value]) => sum + Number(value), 0)
    }),
  )
}
