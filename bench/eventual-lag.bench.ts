// npm run bench eventual-lag -- [--seconds N] [--peers N] [--at-once N] [--bytes N] [--before N]: how far the others are behind a node of an eventual volume that takes
// writes without end, and how long they take afterwards. With --before, one more node joins when the writes begin, and has so many older entries to catch up with.
// Real processes on loopback; the first core has the node and its client, the second all others.

import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { EventualNodes } from '../test/support/eventual-nodes.ts'
import { freePort } from '../test/support/node-process.ts'
import { EventualWrites } from './support/eventual-writes.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    peers: { type: 'string', default: '2' },
    'at-once': { type: 'string', default: '16' },
    bytes: { type: 'string', default: '100' },
    before: { type: 'string', default: '0' },
  },
})
const [seconds, peers, before] = [Number(values.seconds), Number(values.peers), Number(values.before)]
const OWN_CORE = ['taskset', '-c', '0']
const OTHER_CORE = ['taskset', '-c', '1']
const SAMPLE_MS = 5_000

execFileSync('taskset', ['-a', '-c', '-p', '0', String(process.pid)])
const ports = await Promise.all(Array.from({ length: peers + 2 }, () => freePort()))
const cluster = await EventualNodes.found({
  placeOf: (at) => ({ host: '127.0.0.1', port: ports[at] as number, through: at === 0 ? OWN_CORE : OTHER_CORE }),
})
try {
  await cluster.call(0, '/volumes/shared', { method: 'PUT', body: '{"consistency":"eventual"}' })
  await cluster.grow(peers)
  const writes = new EventualWrites(cluster, Number(values.bytes))
  const load = { connections: Number(values['at-once']), warmUpMs: 0, through: OWN_CORE }
  while ((await filesOf(0)) < before) await writes.load({ ...load, measureMs: 5_000 })
  await writes.untilQuiet(peers + 1)
  const older = await filesOf(0)
  const token = before > 0 ? await cluster.token(1) : undefined
  const began = performance.now()
  let isOver = false
  const writing = writes.load({ ...load, measureMs: seconds * 1_000 }).finally(() => {
    isOver = true
  })
  if (token !== undefined) await cluster.join(peers + 1, token)
  const running = cluster.nodes.map((_, at) => at)
  while (!isOver) {
    await Promise.race([delay(SAMPLE_MS), writing])
    await report('writing', running, began)
  }
  console.log(`${Math.round(await writing).toLocaleString('en')} writes/s, ${older} entries before`)
  const ended = performance.now()
  while (new Set(await report('after', running, ended)).size > 1) await delay(1_000)
  console.log(`all have all ${((performance.now() - ended) / 1_000).toFixed(1)} s after the last write`)
} finally {
  await cluster.stop()
}

async function filesOf(at: number): Promise<number> {
  const answer = (await (await cluster.call(at, '/volumes/shared')).json()) as { usage?: { files: number } }
  return answer.usage?.files ?? 0
}

async function report(what: string, nodes: readonly number[], fromMs: number): Promise<number[]> {
  const files = await Promise.all(nodes.map(filesOf))
  const behind = files.slice(1).map((count) => ((files[0] as number) - count).toLocaleString('en'))
  console.log(
    `${what} ${((performance.now() - fromMs) / 1_000).toFixed(0).padStart(4)} s: ${files[0]?.toLocaleString('en')} entries; behind by ${behind.join(', ')}`,
  )
  return files
}
