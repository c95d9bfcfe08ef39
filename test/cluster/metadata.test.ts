import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Client as S3Client } from 'minio'
import { ShoalClient } from '#client/shoal-client.ts'
import type { NodeStatus } from '#client/wire.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { Cli } from '../integration/cli-process.ts'
import { ACCESS_KEY, AUTHORIZATION, freePort, SECRET_KEY, startNodeProcess } from '../support/node-process.ts'
import type { NodeProcess } from '../support/node-process.ts'

// Real nodes with their etcds in processes of their own, over TLS on loopback, to which one thing happens after the other.

const WITHIN_MS = 60_000
/** A client's, for one request with all its tries: a fail-over takes 3 s, but for a machine that is busy with other things. */
const PATIENCE_MS = 30_000

interface Started {
  readonly name: string
  readonly port: number
  readonly data: string
  node: NodeProcess
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + WITHIN_MS; !(await holds().catch(() => false)); await delay(50))
    assert.ok(performance.now() < endMs, `not within ${WITHIN_MS} ms: ${what}`)
}

function urlOf({ node }: Started, path: string): string {
  return `${node.origin}/api/v1/volumes/docs/files/${path}`
}

/** Of several chunks, so that there is more to be lost than metadata. */
const LARGE = 'large'
const LARGE_BYTES = 20 * 1024 * 1024

function contentsOf(path: string): string {
  return path === LARGE ? 'abcdefghij'.repeat(LARGE_BYTES / 10) : `contents of ${path}`
}

/** As a client does: sent to one node after another until one has done it. */
async function write(nodes: readonly Started[], path: string): Promise<void> {
  for (const endMs = performance.now() + PATIENCE_MS; ;) {
    for (const node of nodes) {
      const request = { method: 'PUT', body: contentsOf(path), headers: { authorization: AUTHORIZATION } }
      const status = await fetch(urlOf(node, path), request).then(
        (response) => response.status,
        () => 503,
      )
      if (status < 300) return
      assert.ok(status === 503 && performance.now() < endMs, `${path} at ${node.name}: ${status}`)
    }
    await delay(20)
  }
}

async function read(node: Started, path: string): Promise<string | undefined> {
  const response = await fetch(urlOf(node, path), { headers: { authorization: AUTHORIZATION } })
  return response.status === 200 ? response.text() : undefined
}

async function metadataOf({ node }: Started): Promise<NodeStatus['metadata']> {
  const response = await fetch(`${node.origin}/api/v1/status`, { headers: { authorization: AUTHORIZATION } })
  return ((await response.json()) as NodeStatus).metadata
}

/** How many reads a node that doesn't lead has answered, and how many it has sent on. */
async function answeredAt({ origin }: NodeProcess): Promise<{ linearizable: number; stale: number; sentOn: number }> {
  const text = await (await fetch(`${origin}/metrics`, { headers: { authorization: AUTHORIZATION } })).text()
  const count = (answer: string): number =>
    Number(new RegExp(`^shoal_follower_reads_total{answer="${answer}"} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
  return { linearizable: count('linearizable'), stale: count('stale'), sentOn: count('sent-on') }
}

async function idOf({ data }: Started): Promise<string> {
  return (JSON.parse(await readFile(join(data, 'format.json'), 'utf8')) as { nodeId: string }).nodeId
}

async function etcdPidOf({ data }: Started): Promise<number> {
  return (JSON.parse(await readFile(join(data, 'etcd.pid'), 'utf8')) as { pid: number }).pid
}

/** A lock of a mount, taken at one node, and how it looks at another one later. */
async function holdLock(node: Started): Promise<(later: Started) => Promise<void>> {
  const clientOf = ({ node: { origin } }: Started): ShoalClient =>
    new ShoalClient({ endpoint: origin, accessKey: ACCESS_KEY, secretKey: SECRET_KEY, clock: nodeClock, random: nodeRandom })
  const client = clientOf(node)
  const { inode } = await client.getEntry('docs', 'before')
  const lock = { inode, family: 'posix', owner: 'a'.repeat(16), kind: 'write', start: 0n, end: 9n, pid: 1 } as const
  const { session } = await client.sessions.begin('docs', { mount: 'ab'.repeat(16), about: 'test', leaseMs: 60_000 })
  assert.equal((await client.sessions.change('docs', session, { lock })).state, 'done')
  await client.close()
  return async (later) => {
    const there = clientOf(later)
    const other = await there.sessions.begin('docs', { mount: 'cd'.repeat(16), about: 'test' })
    assert.equal((await there.sessions.change('docs', other.session, { lock })).state, 'held')
    await there.sessions.renew('docs', session)
    const waiting = there.sessions.change('docs', other.session, { lock, wait: { ticket: '1', waitMs: 20_000 } })
    await there.sessions.end('docs', session)
    assert.equal((await waiting).state, 'done')
    await there.close()
  }
}

describe('a cluster whose metadata has no single point of failure', () => {
  let folder: string
  const nodes: Started[] = []
  const written: string[] = []
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-metadata-'))
  })
  after(async () => {
    await Promise.all(nodes.map(({ node }) => node.kill()))
    await rm(folder, { recursive: true, force: true })
  })

  async function start(name: string, flags: string[] = [], token?: string): Promise<Started> {
    const [port, data] = [await freePort(), join(folder, name)]
    const node = await startNodeProcess({ data, port, flags, environment: { SHOAL_TOKEN: token } })
    const started = { name, port, data, node }
    nodes.push(started)
    return started
  }

  async function restart(started: Started, flags: string[] = []): Promise<void> {
    const { data, port } = started
    started.node = await startNodeProcess({ data, port, flags })
  }

  async function leaderAmong(alive: readonly Started[]): Promise<Started> {
    let found: Started | undefined
    await until('one leads', async () => {
      const { leader } = await metadataOf(alive[0] as Started)
      const ids = await Promise.all(alive.map(idOf))
      found = alive[ids.findIndex((id) => id === leader)]
      return found !== undefined
    })
    return found as Started
  }

  async function untilThreeVote(): Promise<void> {
    await until('three voters of etcd answer', async () => {
      const { members = [] } = await metadataOf(nodes[0] as Started)
      return members.length === 3 && members.every(({ role, healthy }) => role === 'voter' && healthy)
    })
  }

  test('one node keeps what it has when it founds the cluster, two join it, and each of the three gets a vote', async () => {
    const founder = await start('founder')
    const cli = new Cli(founder.node.origin, folder)
    await cli.run('volume', 'create', 'docs')
    await write([founder], 'before')
    const line = (await cli.run('cluster', 'token', '--uses', '2')).trimEnd().split('\n').at(-1)
    // One joins before, one after.
    const second = await start('second', [], line)
    assert.equal((await metadataOf(second)).mode, 'home')
    for (const { node } of [second, founder]) assert.equal(await node.stop(), 0)
    await restart(founder, ['--cluster'])
    await until('it serves what it had', async () => (await read(founder, 'before')) === 'contents of before')
    await Promise.all([restart(second), start('third', [], line)])
    await untilThreeVote()
    assert.equal((await metadataOf(nodes[2] as Started)).mode, 'managed')
    assert.match(await cli.run('status'), /Metadata +led by [0-9a-f]{32}, \d+ entr\w+ in the log, 3 of 3 voters of etcd answer/)
  })

  test('what is written on any node is read on any', async () => {
    for (const node of nodes) {
      written.push(`by-${node.name}`)
      await write([node], `by-${node.name}`)
      for (const other of nodes) assert.equal(await read(other, `by-${node.name}`), `contents of by-${node.name}`)
    }
    written.push(LARGE)
    await write(nodes, LARGE)
    for (const node of nodes) assert.ok((await read(node, LARGE)) === contentsOf(LARGE))
  })

  test('nodes that do not lead answer reads themselves, at every door', async () => {
    const leader = await leaderAmong(nodes)
    const url = new URL(leader.node.origin)
    for (const { node, port } of nodes.filter((each) => each !== leader)) {
      const before = await answeredAt(node)
      const headers = { authorization: AUTHORIZATION }
      for (const path of [
        'volumes/docs/entries/',
        'volumes/docs/attributes/before',
        'volumes/docs/files/before?consistency=stale',
      ])
        assert.equal((await fetch(`${node.origin}/api/v1/${path}`, { headers })).status, 200)
      assert.equal(await (await fetch(`${node.origin}/dav/docs/before`, { headers })).text(), 'contents of before')
      assert.equal(
        (await fetch(`${node.origin}/dav/docs/`, { method: 'PROPFIND', headers: { ...headers, depth: '1' } })).status,
        207,
      )
      const s3 = new S3Client({
        endPoint: url.hostname,
        port: port + 1,
        useSSL: false,
        accessKey: ACCESS_KEY,
        secretKey: SECRET_KEY,
      })
      assert.equal((await s3.statObject('docs', 'before')).size, 'contents of before'.length)
      const after = await answeredAt(node)
      assert.ok(after.linearizable >= before.linearizable + 5, JSON.stringify({ before, after }))
      assert.ok(after.stale >= before.stale + 1, JSON.stringify({ before, after }))
      assert.equal(after.sentOn, before.sentOn)
    }
  })

  test('kill -9 of the leader: clients that try again go on, and nothing that was acknowledged is lost', async () => {
    const leader = await leaderAmong(nodes)
    const others = nodes.filter((node) => node !== leader)
    let isOver = false
    const clients = [0, 1, 2, 3].map(async (client) => {
      for (let at = 0; !isOver; at += 1) {
        const path = `client-${client}-${at}`
        await write(at % 2 === 0 ? others : others.toReversed(), path)
        written.push(path)
      }
    })
    await delay(300)
    const lockIsHeld = await holdLock(others[0] as Started)
    const before = written.length
    await leader.node.kill()
    await until('clients go on', async () => written.length > before + 40)
    isOver = true
    await Promise.all(clients)
    assert.notEqual(await leaderAmong(others), leader)
    await lockIsHeld(others[1] as Started)
    for (const [at, path] of ['before', ...written].entries())
      assert.ok((await read(others[at % 2] as Started, path)) === contentsOf(path), `${path} is what it was`)
    // With no flag: the folder knows.
    await restart(leader)
    for (const path of written.slice(-5)) assert.equal(await read(leader, path), `contents of ${path}`)
    await untilThreeVote()
  })

  test('an etcd that is killed is started again, and clients notice nothing', async () => {
    const leader = await leaderAmong(nodes)
    const pid = await etcdPidOf(leader)
    process.kill(pid, 'SIGKILL')
    await write(nodes, 'without-one-etcd')
    await until('another etcd runs', async () => (await etcdPidOf(leader)) !== pid)
    await untilThreeVote()
    for (const node of nodes) assert.equal(await read(node, 'without-one-etcd'), 'contents of without-one-etcd')
  })

  test('a node that is told to stop lets another one lead, without a request failing that is tried again', async () => {
    const leader = await leaderAmong(nodes)
    const others = nodes.filter((node) => node !== leader)
    const stopping = leader.node.stop()
    for (let at = 0; at < 20; at += 1) await write(others, `while-stopping-${at}`)
    assert.equal(await stopping, 0)
    assert.notEqual(await leaderAmong(others), leader)
    assert.equal(await read(others[0] as Started, 'while-stopping-19'), 'contents of while-stopping-19')
  })
})
