import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import { isShoalError } from '#foundation/errors.ts'
import { openLmdbStore } from '#kv/lmdb.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { NodeProcesses } from '#platform/node-processes.ts'
import { startEtcdProcess } from '../../test/support/etcd-process.ts'
import type { ClusterMetadata } from './cluster-metadata.ts'
import { modeForJoining, readMetadataMode } from './metadata-mode.ts'
import { MetadataNodes, openMetadataNode } from './metadata-node.suite.ts'
import type { MetadataNode, MetadataNodeConfig } from './metadata-node.suite.ts'

const WITHIN_MS = 60_000
/** What the log keeps for those who are behind; and when what it says is surely on the leader's disk, so that it may go. */
const KEEP = { entries: 20, bytes: 1_000_000 }
const APPLIED_AFTER_MS = 400
const bytes = (text: string): Buffer => Buffer.from(text)

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const endMs = Date.now() + WITHIN_MS; !(await isSo()); await delay(20))
    assert.ok(Date.now() < endMs, `not within ${WITHIN_MS} ms: ${what}`)
}

/** Tries at whoever leads until it is done. */
async function put(nodes: readonly MetadataNode[], key: string, value: string): Promise<void> {
  await until(async () => {
    const leader = nodes.find(({ metadata }) => metadata.leadership.isLeading)
    try {
      await leader?.metadata.store.transact((tx) => tx.put(bytes(key), bytes(value)))
      return leader !== undefined
    } catch (error) {
      if (isShoalError(error, 'UNAVAILABLE')) return false
      throw error
    }
  }, `"${key}" is written`)
}

async function get({ store }: ClusterMetadata, key: string): Promise<string | undefined> {
  return (await store.get(bytes(key)))?.toString()
}

async function votersOf({ metadata }: MetadataNode): Promise<number> {
  const { members } = await metadata.status()
  return members.filter(({ role, isHealthy }) => role === 'voter' && isHealthy).length
}

// One cluster, to which one thing happens after the other.
describe('the metadata of a cluster', () => {
  let cluster: MetadataNodes
  const configs: MetadataNodeConfig[] = []
  const nodes: MetadataNode[] = []
  before(async () => {
    cluster = await MetadataNodes.make()
  })
  after(async () => {
    // All at once, each would wait for another one to hand its leadership on to.
    for (const { metadata } of nodes) {
      const { etcd } = await metadata.status()
      if (etcd?.kind === 'running') new NodeProcesses().signal(etcd.pid, 'SIGKILL')
    }
    await Promise.all(nodes.map((node) => node.stop()))
    await cluster.remove()
  })

  async function start(config: MetadataNodeConfig): Promise<MetadataNode> {
    const node = await openMetadataNode(config, cluster.list)
    nodes.push(node)
    return node
  }

  async function stop(node: MetadataNode): Promise<void> {
    nodes.splice(nodes.indexOf(node), 1)
    await node.stop()
  }

  test('what one node had is kept when it founds the cluster', async () => {
    const config = await cluster.add({ keep: KEEP })
    configs.push(config)
    const home = await openLmdbStore({ path: join(config.dataPath, 'meta'), journal: { files: nodeFiles, clock: nodeClock } })
    await home.transact((tx) => tx.put(bytes('before'), bytes('the cluster')))
    await home.close()
    const { metadata } = await start(config)
    // Whoever joins now is told whom to ask for the members, before anybody has seen one.
    const endpoint = `https://127.0.0.1:${config.nodePort + 2}`
    assert.deepEqual(modeForJoining(await readMetadataMode(nodeFiles, config.dataPath)), {
      ...{ kind: 'managed', endpoints: [endpoint], isFounder: false },
    })
    await until(() => metadata.leadership.isLeading, 'the founder leads')
    assert.equal(await get(metadata, 'before'), 'the cluster')
    await put(nodes, 'first', 'change')
    await until(async () => (await readMetadataMode(nodeFiles, config.dataPath)).kind === 'managed', 'it is noted')
  })

  test('nodes that join have what was there before, and two more of them make three voters', async () => {
    for (const _ of [1, 2]) {
      const config = await cluster.add({ keep: KEEP })
      configs.push(config)
      const { metadata } = await start(config)
      await until(async () => (await get(metadata, 'before').catch(() => '')) === 'the cluster', 'it has a snapshot')
      assert.equal(await get(metadata, 'first'), 'change')
    }
    await until(async () => (await votersOf(nodes[0] as MetadataNode)) === 3, 'three vote')
    // Else the loss of one node would be two elections, one after the other.
    const isLedElsewhere = async (): Promise<boolean> => {
      const { leader, members } = await (nodes[0] as MetadataNode).metadata.status()
      return members.some(({ isLeader, name }) => isLeader && name !== leader?.nodeId)
    }
    await until(isLedElsewhere, 'etcd is led by another node than the metadata')
    const { leader, mode, position } = await (nodes[2] as MetadataNode).metadata.status()
    assert.deepEqual([leader?.nodeId, leader?.nodePort, mode], [configs[0]?.name.nodeId, configs[0]?.nodePort, 'managed'])
    assert.ok(position > 0)
  })

  test('the founder can be stopped: another one leads with everything, and the founder comes back as one of them', async () => {
    await put(nodes, 'second', 'change')
    const [config] = configs as [MetadataNodeConfig]
    const noted = async () => readMetadataMode(nodeFiles, config.dataPath)
    await until(
      async () => JSON.stringify(await noted()).includes(`:${(configs[2]?.nodePort as number) + 2}`),
      'it knows the voters',
    )
    await stop(nodes[0] as MetadataNode)
    await put(nodes, 'third', 'change')
    for (const { metadata } of nodes)
      for (const key of ['first', 'second', 'third']) assert.equal(await get(metadata, key), 'change')
    const mode = await noted()
    assert.ok(mode.kind === 'managed' && !mode.isFounder && mode.endpoints.length === 3)
    const back = await start({ ...config, mode })
    await until(async () => (await get(back.metadata, 'third').catch(() => '')) === 'change', 'the founder has caught up')
    await until(async () => (await votersOf(back)) === 3, 'three vote again')
  })

  test('a node that is gone for long gives its vote to another one, and fetches what it has missed when it is back', async () => {
    const gone = nodes[0] as MetadataNode
    const goneConfig = configs[1] as MetadataNodeConfig
    cluster.markDead(goneConfig)
    await stop(gone)
    const config = await cluster.add({ keep: KEEP })
    configs.push(config)
    const spare = await start(config)
    await until(async () => {
      const { members } = await spare.metadata.status()
      return members.some(({ name, role }) => name === config.name.nodeId && role === 'voter') && members.length === 3
    }, 'the new one votes in its place')
    // More than the log keeps.
    for (let at = 0; at < 4 * KEEP.entries; at += 1) await put(nodes, 'fourth', `change ${at}`)
    await delay(APPLIED_AFTER_MS)
    for (let at = 0; at < KEEP.entries; at += 1) await put(nodes, 'fourth', 'change')
    cluster.markDead(goneConfig, false)
    const mode = await readMetadataMode(nodeFiles, goneConfig.dataPath)
    assert.ok(mode.kind === 'managed')
    const back = await start({ ...goneConfig, mode })
    await until(async () => (await get(back.metadata, 'fourth').catch(() => '')) === 'change', 'it follows again')
    assert.equal(await votersOf(back), 3)
  })
})

test('nodes agree by an etcd that somebody else runs, and start none', async () => {
  const etcd = await startEtcdProcess()
  const cluster = await MetadataNodes.make()
  const nodes: MetadataNode[] = []
  try {
    for (const _ of [1, 2]) {
      const config = await cluster.add({ external: { endpoints: [etcd.endpoint] } })
      nodes.push(await openMetadataNode(config, cluster.list))
      assert.deepEqual(await nodeFiles.list(join(config.dataPath, 'etcd')), undefined)
    }
    await put(nodes, 'key', 'value')
    for (const { metadata } of nodes) assert.equal(await get(metadata, 'key'), 'value')
    const { mode, members, etcd: child } = await (nodes[0] as MetadataNode).metadata.status()
    assert.deepEqual([mode, members, child], ['external', [], undefined])
    const first = nodes.find(({ metadata }) => metadata.leadership.isLeading) as MetadataNode
    await first.stop()
    const [other] = nodes.filter((node) => node !== first) as [MetadataNode]
    await put([other], 'key', 'another')
    assert.equal(await get(other.metadata, 'key'), 'another')
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
    await cluster.remove()
    await etcd.dispose()
  }
})
