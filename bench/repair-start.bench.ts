// npm run bench repair-start [ROUNDS]: how long it takes from the word that a node is dead to the first copy of one of its chunks on
// another node, and to the last. Four nodes as processes of this machine, three copies; another node than the one that leads is killed in each round.
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { ProcessCluster, until } from '../test/cluster/process-cluster.ts'

const ROUNDS = Number(process.argv[2] ?? 3)
const FILES = 24
const FILE_BYTES = 300_000
const VOLUME = 'docs'
const WAIT_MS = 120_000

const cluster = await ProcessCluster.start({ nodes: 4, mode: 'cluster' })
try {
  await cluster.client(0).createVolume(VOLUME)
  for (let round = 0; round < ROUNDS; round += 1) await measure(round)
} finally {
  await cluster.dispose()
}

async function measure(round: number): Promise<void> {
  await cluster.healthy()
  // Of earlier rounds there may be more copies than are needed.
  const names = Array.from({ length: FILES }, (_, at) => `file-${round}-${at}`)
  for (const name of names) await cluster.client(0).writeSmallFile(VOLUME, name, randomBytes(FILE_BYTES))
  const leader = await cluster.leader()
  const client = cluster.client(leader)
  const holdersOf = async (name: string): Promise<readonly string[]> =>
    (await client.locate(VOLUME, name)).extents[0]?.nodes ?? []
  await until(
    'everything has its copies',
    async () => (await Promise.all(names.map(holdersOf))).every((nodes) => nodes.length >= 3),
    WAIT_MS,
  )
  const victim = cluster.running.find((at) => at !== leader) as number
  const id = await cluster.idOf(victim)
  const before = new Map<string, readonly string[]>()
  for (const name of names) before.set(name, await holdersOf(name))
  const affected = names.filter((name) => before.get(name)?.includes(id))
  const killedMs = performance.now()
  await cluster.kill(victim)
  const isDead = async (): Promise<boolean> =>
    (await client.cluster.nodes()).some((node) => node.id === id && node.state === 'dead')
  while (!(await isDead())) await delay(20)
  const deadMs = performance.now()
  let firstMs: number | undefined
  await until(
    'all chunks have a copy more',
    async () => {
      const repaired = await Promise.all(
        affected.map(async (name) => (await holdersOf(name)).some((node) => before.get(name)?.includes(node) === false)),
      )
      if (repaired.some(Boolean)) firstMs ??= performance.now() - deadMs
      return repaired.every(Boolean)
    },
    WAIT_MS,
  )
  const lastMs = performance.now() - deadMs
  console.log(
    `dead after ${Math.round(deadMs - killedMs)} ms; the first of ${affected.length} copies ${Math.round(firstMs as number)} ms later, the last ${Math.round(lastMs)} ms later`,
  )
  await cluster.restart(victim)
}
