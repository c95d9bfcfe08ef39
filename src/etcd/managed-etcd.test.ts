import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isShoalError } from '#foundation/errors.ts'
import { NodeProcesses } from '#platform/node-processes.ts'
import { EtcdDoor } from './etcd-door.ts'
import { freePort } from '../../test/support/node-process.ts'
import { clientUrlOf, peerUrlOf } from './etcd-flags.ts'
import { areVoting, ManagedEtcd } from './managed-etcd.suite.ts'
import type { TestNode } from './managed-etcd.suite.ts'

const NEVER = new AbortController().signal
const KEY = Buffer.from('key').toString('base64')

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const endMs = Date.now() + 15_000; Date.now() < endMs; await delay(50)) {
    const found = await look().catch((error: unknown) => {
      if (!isShoalError(error, 'UNAVAILABLE')) throw error
    })
    if (found !== undefined) return found
  }
  throw new Error('It did not come to that')
}

// One cluster, to which one thing happens after the other.
describe('an etcd of several nodes, with certificates', () => {
  let cluster: ManagedEtcd
  before(async () => {
    cluster = await ManagedEtcd.found()
  })
  after(() => cluster.dispose())

  /** At the first node that takes it. */
  async function write(value: string): Promise<void> {
    await eventually(async () => {
      for (const { place } of cluster.nodes) {
        const calls = cluster.connect(clientUrlOf(place))
        const put = calls.call('kv/put', { key: KEY, value: Buffer.from(value).toString('base64') })
        const isDone = await put.then(
          () => true,
          () => undefined,
        )
        await calls.close()
        if (isDone) return true
      }
      return undefined
    })
  }

  async function readAt({ place }: TestNode): Promise<string> {
    const calls = cluster.connect(clientUrlOf(place))
    const { kvs = [] } = await calls.call<{ kvs?: { value: string }[] }>('kv/range', { key: KEY }).finally(() => calls.close())
    return Buffer.from(kvs[0]?.value ?? '', 'base64').toString()
  }

  test('it is founded by one, and grows to three by learners that are promoted when they have caught up', async () => {
    await cluster.roundsUntil(areVoting(1))
    await write('before')
    await cluster.addNode()
    assert.deepEqual(await cluster.roundsUntil(areVoting(1)), [])
    await cluster.addNode()
    const steps = ['add-learner node-2', 'promote node-2', 'add-learner node-3', 'promote node-3']
    assert.deepEqual(await cluster.roundsUntil(areVoting(3)), steps)
    for (const node of cluster.nodes) assert.equal(await readAt(node), 'before')
  })

  test('nobody gets in without a certificate', async () => {
    const { place } = cluster.nodes[0] as TestNode
    const stranger = new EtcdDoor({ endpoint: clientUrlOf(place), callTimeoutMs: 1_000 })
    await assert.rejects(stranger.call('kv/range', { key: KEY }), (error) => isShoalError(error, 'UNAVAILABLE'))
    await stranger.close()
  })

  test('one that is killed is started again, and nothing is lost', async () => {
    const [first] = cluster.nodes as [TestNode]
    const { state } = first.supervisor
    assert.ok(state.kind === 'running')
    process.kill(state.pid, 'SIGKILL')
    await write('while one is away')
    await eventually(
      async () => (first.supervisor.state.kind === 'running' && first.supervisor.state.restarts === 1) || undefined,
    )
    assert.deepEqual(await cluster.roundsUntil(areVoting(3)), [])
    assert.equal(await readAt(first), 'while one is away')
  })

  test('one that is lost for good is replaced, and gets in again only without what it had', async () => {
    const lost = cluster.nodes[1] as TestNode
    await lost.supervisor.stop()
    lost.isAlive = false
    const spare = await cluster.addNode()
    const isReplaced = areVoting(3)
    const steps = await cluster.roundsUntil((members) => isReplaced(members) && members.some(({ name }) => name === 'node-4'))
    assert.deepEqual(steps, ['remove node-2', 'add-learner node-4', 'promote node-4'])
    await write('by the new one')
    assert.equal(await readAt(spare), 'by the new one')
    await lost.supervisor.forget()
    lost.isAlive = true
    const extra = await cluster.addNode()
    assert.deepEqual((await cluster.roundsUntil(areVoting(5))).toSorted(), [
      'add-learner node-2',
      'add-learner node-5',
      'promote node-2',
      'promote node-5',
    ])
    assert.equal(await readAt(lost), 'by the new one')
    assert.equal(await readAt(extra), 'by the new one')
  })

  test('a snapshot is whole, and a node that restores it as the operator is told goes on with it', async () => {
    const path = join(cluster.folder, 'snapshot.db')
    await write('in the snapshot')
    const bytes = await cluster.members.saveSnapshot(path, { files: cluster.files, signal: NEVER })
    assert.equal((await stat(path)).size, bytes)
    const cancelled = cluster.members.saveSnapshot(`${path}.2`, { files: cluster.files, signal: AbortSignal.abort() })
    await assert.rejects(cancelled, (error) => isShoalError(error, 'CANCELLED'))
    assert.equal(await cluster.files.read(`${path}.2.part`), undefined)
    const node = await cluster.addNode()
    const { nodeId, clusterId } = node.place
    const peer = peerUrlOf(node.place)
    const args = ['snapshot', 'restore', path, '--data-dir', join(cluster.folder, nodeId, 'etcd'), '--name', nodeId]
    const place = ['--initial-cluster', `${nodeId}=${peer}`, '--initial-advertise-peer-urls', peer]
    execFileSync('etcdctl', [...args, ...place, '--initial-cluster-token', clusterId], {
      env: { ...process.env, ETCDCTL_API: '3' },
      stdio: 'ignore',
    })
    await node.supervisor.start(node.place, 'resume')
    assert.equal(await eventually(() => readAt(node)), 'in the snapshot')
    await cluster.kill(node)
    cluster.nodes.pop()
  })

  test('without a majority nothing changes, until the operator makes the one that is left a cluster of its own', async () => {
    const [left, ...others] = cluster.nodes as [TestNode, ...TestNode[]]
    await write('before the loss')
    await eventually(async () => (await readAt(left)) === 'before the loss' || undefined)
    await Promise.all(others.map((node) => cluster.kill(node)))
    await assert.rejects(readAt(left), (error) => isShoalError(error, 'UNAVAILABLE'))
    await cluster.kill(left)
    const [port, { nodeId }] = [await freePort(), left.place]
    const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`]
    const args = ['--force-new-cluster', '--name', nodeId, '--data-dir', join(cluster.folder, nodeId, 'etcd')]
    const urls = ['--listen-peer-urls', peer, '--listen-client-urls', client, '--advertise-client-urls', client]
    const byHand = spawn('etcd', [...args, ...urls], { stdio: 'ignore' })
    const calls = new EtcdDoor({ endpoint: client, callTimeoutMs: 1_000 })
    await eventually(() => calls.call('kv/range', { key: KEY }))
    await calls.close()
    byHand.kill('SIGTERM')
    await once(byHand, 'exit')
    await left.supervisor.start(left.place, 'resume')
    assert.equal(await eventually(() => readAt(left)), 'before the loss')
    const [member, ...none] = await eventually(async () => {
      const members = await cluster.members.list()
      return members[0]?.clientUrls[0] === clientUrlOf(left.place) ? members : undefined
    })
    assert.deepEqual([member?.name, member?.role, member?.peerUrls, none], [nodeId, 'voter', [peerUrlOf(left.place)], []])
  })
})

test('etcd ends with the process that started it, also when that is killed, and the next one goes on with its data', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-etcd-parent-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const port = await freePort()
  const calls = new EtcdDoor({ endpoint: `http://127.0.0.1:${port}`, callTimeoutMs: 1_000 })
  t.after(() => calls.close())
  const processes = new NodeProcesses()
  const script = fileURLToPath(new URL('managed-etcd.child.ts', import.meta.url))
  const run = async () => {
    const parent = spawn(process.execPath, [script, folder, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said] = (await once(parent.stdout, 'data')) as [Buffer]
    return { pid: Number(said.toString()), kill: () => parent.kill('SIGKILL') }
  }
  const first = await run()
  t.after(first.kill)
  await eventually(() => calls.call('kv/put', { key: KEY, value: KEY }))
  first.kill()
  await eventually(async () => ((await processes.facts(first.pid)) === undefined ? true : undefined))
  const second = await run()
  t.after(second.kill)
  const { kvs } = await eventually(() => calls.call<{ kvs?: { value: string }[] }>('kv/range', { key: KEY }))
  assert.equal(kvs?.[0]?.value, KEY)
})
