// [NODES]: cuts nodes apart, with a majority of votes and without. To be run as root in a network namespace of its own:
// `npm run cluster -- partitions`.

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { AUTHORIZATION } from '../support/node-process.ts'
import { SplitNetwork } from './network.ts'
import { ProcessCluster, until } from './process-cluster.ts'

const NODES = Number(process.argv[2] ?? 5)
const VOLUME = 'cut'
/** Leases pass, another leader is elected, and the minority finds out. */
const SETTLE_MS = 20_000
const CUT_MS = 8_000
const written = new Map<string, string>()
let files = 0

const network = await SplitNetwork.make({ nodes: NODES, switches: 3 })
const cluster = await ProcessCluster.start({ nodes: NODES, mode: 'cluster', placeOf: (at) => network.placeOf(at) }).catch(
  async (error: unknown) => {
    await network.remove()
    throw error
  },
)
try {
  await cluster.client(0).createVolume(VOLUME)
  await cluster.ask('a first file', (client) => client.writeSmallFile(VOLUME, 'shared', Buffer.from('before')))
  written.set('shared', 'before')
  await withMajority()
  await withoutMajority()
} catch (error) {
  for (const at of cluster.running) console.error(`node ${at}:\n${cluster.logOf(at).slice(-2_000)}`)
  throw error
} finally {
  await cluster.dispose()
  await network.remove()
}

/** The node that leads and another one are cut off from the other three. */
async function withMajority(): Promise<void> {
  const leader = await cluster.leader()
  const minority = [leader, (leader + 1) % NODES]
  const majority = cluster.running.filter((at) => !minority.includes(at))
  const beganMs = performance.now()
  await network.split([majority, minority])
  const goesOn = async (at: number): Promise<number> => {
    await until(`node ${at} of the majority goes on`, () => canWrite([at]), SETTLE_MS)
    return Math.round(performance.now() - beganMs)
  }
  const afterMs = await Promise.all(majority.map(goesOn))
  console.log(`cut off from the node that led, ${majority.length} of ${NODES} go on after ${afterMs.join(', ')} ms`)
  await put(majority[0] as number, 'shared', 'after')
  for (const at of minority) await refuses(at)
  // What it might still answer is the newest, or nothing.
  for (const at of minority) await tellsNothingOld(at)
  for (const endMs = performance.now() + CUT_MS; performance.now() < endMs; await delay(100)) {
    for (const at of majority) assert.ok(await put(at, nextFile()), `node ${at} of the majority takes writes`)
  }
  await healAndCheck()
}

/** In three, none of which has more than two of the five votes. */
async function withoutMajority(): Promise<void> {
  const voters = await cluster.voters()
  assert.equal(voters.length, 5)
  const inOrder = [...voters, ...cluster.running.filter((at) => !voters.includes(at))]
  await network.split([0, 1, 2].map((group) => inOrder.filter((_, place) => place % 3 === group)))
  await delay(5_000)
  for (const at of cluster.running) await refuses(at)
  console.log('without a majority anywhere, all nodes refuse writes')
  await healAndCheck()
}

async function healAndCheck(): Promise<void> {
  const beganMs = performance.now()
  await network.heal()
  await until('writes are taken at every node', () => canWrite(cluster.running, cluster.size), 60_000)
  console.log(`healed: every node takes writes after ${Math.round(performance.now() - beganMs)} ms`)
  await cluster.healthy()
  for (const at of cluster.running) {
    for (const [name, content] of written) {
      const { bytes } = await cluster.client(at).readSmallFile(VOLUME, name)
      assert.equal(bytes.toString(), content, `node ${at} has ${name} as it was acknowledged`)
    }
  }
  console.log(`${written.size} acknowledged files, exact at each node`)
}

function nextFile(): string {
  files += 1
  return `file-${files}`
}

/** Whether as many of them as are needed take a write. */
async function canWrite(nodes: readonly number[], needed = 1): Promise<boolean> {
  const taken = await Promise.all(nodes.map((at) => put(at, nextFile())))
  return taken.filter(Boolean).length >= needed
}

/** Whether it was acknowledged. What was not may be there all the same. */
async function put(at: number, name: string, content = `of node ${at}`): Promise<boolean> {
  const status = (await send(at, 'PUT', name, content))?.statusCode ?? 0
  const isTaken = status >= 200 && status < 300
  if (isTaken) written.set(name, content)
  return isTaken
}

/** A write is answered in time, with 503 and when to come again. */
async function refuses(at: number): Promise<void> {
  await until(
    `node ${at} refuses writes`,
    async () => {
      const answer = await send(at, 'PUT', nextFile(), 'of the minority')
      assert.ok(answer !== undefined && answer.statusCode >= 400, `node ${at}, which has no majority, took a write`)
      assert.ok(answer.headers['retry-after'] !== undefined, `node ${at} says when to come again`)
      return answer.statusCode === 503
    },
    SETTLE_MS,
  )
}

async function tellsNothingOld(at: number): Promise<void> {
  const answer = await send(at, 'GET', 'shared')
  if (answer?.statusCode === 200) assert.equal(answer.text, 'after', `node ${at} told what was no longer so`)
}

async function send(at: number, method: 'GET' | 'PUT', name: string, content?: string) {
  const url = `${cluster.restOf(at)}/api/v1/volumes/${VOLUME}/files/${name}`
  const options = { method, headers: { authorization: AUTHORIZATION }, headersTimeout: 30_000 } as const
  try {
    const { statusCode, headers, body } = await request(url, content === undefined ? options : { ...options, body: content })
    return { statusCode, headers, text: await body.text() }
  } catch {
    return undefined
  }
}
