// npm run bench eventual-neighbours -- [--at-once N,…] [--turns N] [--bytes N] [--peers N]: what peers cost a node that takes writes of an eventual volume, beside
// what anything costs it that works on the other core. Real processes on loopback; the first core has the node and its client, the second all else, in turns:
//   idle     the node alone, the other core has nothing to do
//   loop     the node alone, a loop of JSON on the other core
//   cluster  the node alone, an unrelated cluster on the other core: as many nodes, of which one takes writes of the same kind from a client there
//   peers    the node with its peers on the other core
// The unrelated cluster has its data in memory, so that it takes nothing of the disk, which peers do.

import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { EventualNodes } from '../test/support/eventual-nodes.ts'
import { freePort } from '../test/support/node-process.ts'
import { EventualWrites, type Measured } from './support/eventual-writes.ts'

const { values } = parseArgs({
  options: {
    'at-once': { type: 'string', default: '1' },
    turns: { type: 'string', default: '3' },
    bytes: { type: 'string', default: '100' },
    peers: { type: 'string', default: '6' },
  },
})
const PEERS = Number(values.peers)
const [OWN_CORE, OTHER_CORE] = [
  ['taskset', '-c', '0'],
  ['taskset', '-c', '1'],
] as const
const LOAD = { warmUpMs: 500, measureMs: 2_000 }
/** Of each cluster, before anything is measured: code that has run for long is faster. */
const FIRST_LOAD = { warmUpMs: 100, measureMs: 10_000, connections: 16, paths: 2_000 }
/** Longer than what is measured, at both ends. */
const BESIDE_LOAD = { warmUpMs: 4_000, measureMs: 100, through: OTHER_CORE }
const BESIDE_LEAD_MS = 1_000
const IN_MEMORY = '/dev/shm'
const LOOP = 'let made = 0; for (;;) made += JSON.stringify(JSON.parse(\'{"a":[1,2,3],"b":"text"}\')).length'
const KINDS = ['idle', 'loop', 'cluster', 'peers'] as const

type Kind = (typeof KINDS)[number]
interface Turn extends Measured {
  /** Of the other core, while the writes were measured. */
  readonly otherBusy: number
}

execFileSync('taskset', ['-a', '-c', '-p', '0', String(process.pid)])
const clusters: EventualNodes[] = []
try {
  const [alone, unrelated] = await Promise.all([
    found(1, { first: OWN_CORE }),
    found(PEERS + 1, { first: OTHER_CORE, within: IN_MEMORY }),
  ])
  const withPeers = await found(PEERS + 1, { first: OWN_CORE })
  for (const connections of values['at-once'].split(',').map(Number)) {
    const turns: Record<Kind, Turn[]> = { idle: [], loop: [], cluster: [], peers: [] }
    const load = { ...LOAD, connections }
    const once: Record<Kind, () => Promise<Turn>> = {
      idle: () => measured(() => alone.measure(load, 1)),
      loop: () => besideLoop(() => measured(() => alone.measure(load, 1))),
      cluster: async () => {
        const beside = unrelated.load({ ...BESIDE_LOAD, connections })
        await delay(BESIDE_LEAD_MS)
        const turn = await measured(() => alone.measure(load, 1))
        await beside
        await unrelated.untilQuiet(PEERS + 1)
        return turn
      },
      peers: async () => {
        const turn = await measured(() => withPeers.measure(load, PEERS + 1))
        await withPeers.untilQuiet(PEERS + 1)
        return turn
      },
    }
    for (let turn = 0; turn < Number(values.turns); turn += 1)
      for (const kind of turn % 2 === 0 ? KINDS : KINDS.toReversed()) turns[kind].push(await once[kind]())
    report(connections, turns)
  }
} finally {
  for (const cluster of clusters) await cluster.stop()
}

interface Where {
  readonly first: readonly string[]
  readonly within?: string
}

/** A cluster with an eventual volume, of which all nodes but the first are on the other core. */
async function found(count: number, { first, within }: Where): Promise<EventualWrites> {
  const ports: number[] = []
  for (let at = 0; at < count; at += 1) ports.push(await freePort())
  const cluster = await EventualNodes.found({
    placeOf: (at) => ({ host: '127.0.0.1', port: ports[at] as number, through: at === 0 ? first : OTHER_CORE }),
    ...(within === undefined ? {} : { within }),
  })
  clusters.push(cluster)
  await cluster.call(0, '/volumes/shared', { method: 'PUT', body: '{"consistency":"eventual"}' })
  if (count > 1) await cluster.grow(count - 1)
  const writes = new EventualWrites(cluster, Number(values.bytes))
  await writes.load({ ...FIRST_LOAD, through: first })
  await writes.untilQuiet(count)
  return writes
}

async function besideLoop<T>(measure: () => Promise<T>): Promise<T> {
  const [program, ...rest] = OTHER_CORE
  const loop = spawn(program, [...rest, process.execPath, '--eval', LOOP], { stdio: 'ignore' })
  try {
    await delay(BESIDE_LEAD_MS)
    return await measure()
  } finally {
    loop.kill('SIGKILL')
  }
}

/** How busy the other core is from the end of the warm-up to the end of the load. */
async function measured(measure: () => Promise<Measured>): Promise<Turn> {
  const busy = otherBusyDuring(LOAD)
  const turn = await measure()
  return { ...turn, otherBusy: await busy }
}

async function otherBusyDuring({ warmUpMs, measureMs }: typeof LOAD): Promise<number> {
  await delay(warmUpMs)
  const before = otherCore()
  await delay(measureMs)
  const after = otherCore()
  return 1 - (after.idle - before.idle) / (after.all - before.all)
}

/** Its ticks so far (proc(5): idle and iowait are the fourth and the fifth). */
function otherCore(): { readonly idle: number; readonly all: number } {
  const line = /^cpu1 +(.*)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1] ?? ''
  const ticks = line.split(' ').map(Number)
  return { idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), all: ticks.slice(0, 8).reduce((sum, each) => sum + each, 0) }
}

function report(connections: number, turns: Record<Kind, Turn[]>): void {
  console.log(`${PEERS} peers, ${connections} at a time, ${values.bytes} bytes`)
  for (const kind of KINDS) {
    const each = (read: (turn: Turn) => number) =>
      turns[kind].map((turn) => Math.round(read(turn)).toLocaleString('en')).join(', ')
    const all = kind === 'peers' ? `; all ${each(({ allUs }) => allUs)} µs` : ''
    console.log(
      `  ${kind.padEnd(7)}  ${each(({ rate }) => rate)} writes/s; ${each(({ nodeUs }) => nodeUs)} µs of the node a write${all}; other core busy ${each(({ otherBusy }) => otherBusy * 100)} %`,
    )
  }
  const mean = (kind: Kind) => turns[kind].reduce((sum, { rate }) => sum + rate, 0) / turns[kind].length
  const ratios = (['idle', 'loop', 'cluster'] as const).map((kind) => `${(mean('peers') / mean(kind)).toFixed(2)} × ${kind}`)
  console.log(`  with peers, in the mean: ${ratios.join(', ')}`)
}
