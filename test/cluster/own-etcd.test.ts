import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { startEtcdProcess } from '../support/etcd-process.ts'
import type { EtcdProcess } from '../support/etcd-process.ts'
import { ProcessCluster } from './process-cluster.ts'

// Two nodes as processes, and an etcd that is none of theirs, to which one thing happens after the other.

const VOLUME = 'docs'

describe('a cluster by an etcd that somebody else runs', () => {
  let etcd: EtcdProcess
  let cluster: ProcessCluster
  before(async () => {
    etcd = await startEtcdProcess()
    cluster = await ProcessCluster.start({ nodes: 2, mode: { etcd: etcd.endpoint } })
  })
  after(async () => {
    await cluster.dispose()
    await etcd.dispose()
  })

  /** By this node, or whichever takes it. */
  async function write(path: string, at?: number): Promise<void> {
    await cluster.ask(`writing ${path}`, (any) =>
      (at === undefined ? any : cluster.client(at)).writeSmallFile(VOLUME, path, Buffer.from(`contents of ${path}`)),
    )
  }

  async function assertThere(at: number, paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      const { bytes } = await cluster.ask(`reading ${path}`, () => cluster.client(at).readSmallFile(VOLUME, path))
      assert.equal(bytes.toString(), `contents of ${path}`)
    }
  }

  test('what one node takes the other one has, and none of them runs an etcd', async () => {
    await cluster.client(0).createVolume(VOLUME)
    await write('by-the-first', 0)
    await write('by-the-second', 1)
    for (const at of cluster.running) {
      await assertThere(at, ['by-the-first', 'by-the-second'])
      assert.equal((await cluster.client(at).status()).metadata.mode, 'external')
      assert.deepEqual(
        (await readdir(cluster.dataOf(at))).filter((name) => name.startsWith('etcd')),
        [],
      )
    }
  })

  test('the node that leads may be killed: the other one of two goes on, and the killed one is one of them again', async () => {
    const leader = await cluster.leader()
    await cluster.kill(leader)
    await write('without-it')
    await assertThere(1 - leader, ['by-the-first', 'by-the-second', 'without-it'])
    await cluster.restart(leader)
    await assertThere(leader, ['by-the-first', 'without-it'])
    await cluster.healthy()
  })

  test('while that etcd is gone nothing is written, and with it all goes on', async () => {
    await etcd.kill()
    await assert.rejects(
      cluster.client(0).writeSmallFile(VOLUME, 'in-vain', Buffer.from('x'), { signal: AbortSignal.timeout(4_000) }),
    )
    await etcd.start()
    await write('afterwards')
    for (const at of cluster.running) await assertThere(at, ['by-the-first', 'without-it', 'afterwards'])
  })

  test('a node that is not told of that etcd does not start, and says what is missing', async () => {
    await cluster.stop(1)
    await assert.rejects(cluster.restart(1, { isBare: true }), /name its members with --etcd/)
    await cluster.restart(1)
    await assertThere(1, ['afterwards'])
  })
})
