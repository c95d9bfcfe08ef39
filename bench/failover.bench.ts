// npm run bench failover [KILLS]: how long nobody leads a cluster's metadata after the process of its leader was killed, with the etcd
// that it runs: from the kill to the first change that is acknowledged by another node. Three nodes as processes of this machine.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { createInterface } from 'node:readline'
import { MetadataNodes } from '#node/metadata-node.suite.ts'
import type { MetadataNodeConfig } from '#node/metadata-node.suite.ts'
import { readMetadataMode } from '#node/metadata-mode.ts'
import { nodeFiles } from '#platform/node-files.ts'

const KILLS = Number(process.argv[2] ?? 20)
const CHILD = fileURLToPath(new URL('../src/node/cluster-metadata.child.ts', import.meta.url))
/** etcd gives a newcomer its vote 5 s after it was seen, and hands its leadership on within a round after that. */
const SETTLE_MS = 7_000

const cluster = await MetadataNodes.make()
const children: ChildProcess[] = []
let acknowledged = 0
let by = -1
let heard = Promise.withResolvers<void>()

async function start(config: MetadataNodeConfig, at: number): Promise<void> {
  const mode = await readMetadataMode(nodeFiles, config.dataPath)
  const args = [JSON.stringify(mode.kind === 'managed' ? { ...config, mode } : config), JSON.stringify(cluster.list())]
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  children[at] = child
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (Number(line) <= acknowledged) throw new Error(`${acknowledged} was acknowledged, and then ${line}`)
    acknowledged = Number(line)
    by = at
    heard.resolve()
    heard = Promise.withResolvers()
  })
}

for (let at = 0; at < 3; at += 1) await cluster.add()
for (const [at, config] of cluster.configs.entries()) await start(config, at)
await delay(3 * SETTLE_MS)
const tookMs: number[] = []
for (let kill = 0; kill < KILLS; kill += 1) {
  const victim = by
  const beganMs = performance.now()
  children[victim]?.kill('SIGKILL')
  while (by === victim) await heard.promise
  tookMs.push(Math.round(performance.now() - beganMs))
  await start(cluster.configs[victim] as MetadataNodeConfig, victim)
  await delay(SETTLE_MS)
}
for (const child of children) child.kill('SIGKILL')
await cluster.remove()
const sorted = tookMs.toSorted((a, b) => a - b)
const share = (part: number): number | undefined => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
console.log(`${KILLS} kills: ${tookMs.join(', ')} ms`)
console.log(`median ${share(0.5)} ms, 99th percentile ${share(0.99)} ms, ${acknowledged} changes acknowledged and none lost`)
