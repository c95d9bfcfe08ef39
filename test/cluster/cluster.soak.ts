// npm run cluster -- [SCENARIO…] [--nodes N] [--seconds OF WRITES ON EACH SIDE OF A PARTITION]: what may happen to a cluster, with nodes as processes of this machine. All scenarios
// unless named; each on a cluster of its own. Every one of them ends with a look for each write that was acknowledged.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { runBitFlips } from './bit-flips.ts'
import { runFullDisk } from './full-disk.ts'
import { DOUBLE_FAULTS, FAULTS, runKills } from './kills.ts'
import { runMatrix } from './matrix.ts'
import { ProcessCluster } from './process-cluster.ts'
import { runReplace } from './replace.ts'
import { runRolling } from './rolling.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { nodes: { type: 'string', default: '7' }, seconds: { type: 'string', default: '10' } },
})
const nodes = Number(values.nodes)
const FAULT_MS = 3_000
const say = (line: string): void => console.log(`  ${line}`)

type Scenario = () => Promise<unknown>

async function onCluster(
  run: (cluster: ProcessCluster) => Promise<unknown>,
  mode: 'cluster' | 'home' = 'cluster',
): Promise<unknown> {
  const cluster = await ProcessCluster.start({ nodes, mode })
  try {
    return await run(cluster)
  } catch (error) {
    for (const at of cluster.running) console.error(`the end of the log of node ${at}:\n${cluster.logOf(at).slice(-4_000)}`)
    throw error
  } finally {
    await cluster.dispose()
  }
}

/** Namespaces are root's. */
async function apart(file: string, ...words: string[]): Promise<string> {
  const child = spawn('unshare', ['--net', process.execPath, file, ...words], { stdio: 'inherit' })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`it ended with ${code}`)
  return 'with a network of its own'
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  rolling: () => onCluster((cluster) => runRolling(cluster, say)),
  'rolling-home': () => onCluster((cluster) => runRolling(cluster, say), 'home'),
  kills: () =>
    onCluster((cluster) =>
      runKills(cluster, { faults: nodes < 5 ? FAULTS : [...FAULTS, ...DOUBLE_FAULTS], faultMs: FAULT_MS, say }),
    ),
  replace: () => onCluster((cluster) => runReplace(cluster, say)),
  matrix: () => onCluster(async (cluster) => ({ copies: await runMatrix(cluster, say) })),
  partitions: () => apart('test/cluster/partitions.child.ts', String(Math.max(nodes, 5))),
  eventual: () => apart('test/cluster/eventual.child.ts', String(nodes), values.seconds),
  full: () => runFullDisk(say),
  bitflip: () => onCluster((cluster) => runBitFlips(cluster, say)),
}

const wanted = positionals.length === 0 ? Object.keys(SCENARIOS) : positionals
const unknown = wanted.filter((name) => !Object.hasOwn(SCENARIOS, name))
if (unknown.length > 0 || !Number.isSafeInteger(nodes) || nodes < 3) {
  console.error(`Scenarios: ${Object.keys(SCENARIOS).join(', ')}; --nodes takes 3 and more.`)
  process.exit(2)
}
for (const name of wanted) {
  const beganMs = performance.now()
  console.log(name)
  try {
    const report = await (SCENARIOS[name] as Scenario)()
    console.log(`${name} held, in ${Math.round((performance.now() - beganMs) / 1000)} s:`, report)
  } catch (error) {
    console.error(`${name} FAILED:`, error)
    process.exitCode = 1
  }
}
