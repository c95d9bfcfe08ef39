import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ShoalClient } from '#client/shoal-client.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { Cli } from '../integration/cli-process.ts'
import { ACCESS_KEY, SECRET_KEY, freePort, startNodeProcess } from '../support/node-process.ts'
import type { NodeProcess } from '../support/node-process.ts'

// Three nodes in processes of their own that agree on their metadata by an etcd of their own.

let folder: string
const nodes: NodeProcess[] = []
const clients: ShoalClient[] = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-led-'))
})

after(async () => {
  await Promise.all(clients.map((client) => client.close()))
  await Promise.all(nodes.map((node) => node.kill()))
  await rm(folder, { recursive: true, force: true })
})

async function start(flags: string[], environment: Record<string, string | undefined> = {}): Promise<ShoalClient> {
  const data = join(folder, `node-${nodes.length}`)
  const node = await startNodeProcess({ data, port: await freePort(), flags, environment })
  nodes.push(node)
  const keys = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY }
  const client = new ShoalClient({ endpoint: node.origin, ...keys, clock: nodeClock, random: nodeRandom })
  clients.push(client)
  return client
}

async function until(what: string, holds: () => Promise<boolean>, withinMs: number): Promise<void> {
  const beganMs = performance.now()
  while (!(await holds().catch(() => false))) {
    assert.ok(performance.now() - beganMs < withinMs, `not within ${withinMs} ms: ${what}`)
    await delay(100)
  }
}

test('when the node that leads is killed the next one has the classes, the layouts and every chunk', async () => {
  const first = await start(['--cluster', '--zone', 'a'])
  const cli = new Cli((nodes[0] as NodeProcess).origin, folder)
  const token = (await cli.run('cluster', 'token', '--uses', '2')).trimEnd().split('\n').at(-1) as string
  const joining = { SHOAL_ROOT_ACCESS_KEY: undefined, SHOAL_ROOT_SECRET_KEY: undefined, SHOAL_TOKEN: token }
  const second = await start(['--zone', 'b'], joining)
  const third = await start(['--zone', 'c'], joining)
  await until('three copies', async () => (await first.classes.show('default')).copies === 3, 15_000)
  await first.classes.create('two', { copies: 2 })
  await first.createVolume('docs')
  await first.createVolume('pairs', { class: 'two' })
  const contents = new Map<string, Buffer>()
  for (const size of [5_000, 300_000, 9_000_000]) {
    const bytes = randomBytes(size)
    contents.set(`${size}`, bytes)
    for (const volume of ['docs', 'pairs']) await first.writeSmallFile(volume, `${size}`, bytes)
  }
  await until(
    'all is on three nodes',
    async () => {
      const { extents } = await third.locate('docs', '9000000')
      return extents.every(({ state, nodes: holders }) => state === 'stored' && holders.length === 3)
    },
    15_000,
  )
  await until(
    'three voters',
    async () => {
      const members = (await first.status()).metadata.members ?? []
      return members.length === 3 && members.every(({ role, healthy }) => role === 'voter' && healthy)
    },
    40_000,
  )
  await (nodes[0] as NodeProcess).kill()
  await until('another one leads', async () => (await second.classes.show('two')).copies === 2, 30_000)
  for (const [path, bytes] of contents) {
    for (const client of [second, third]) {
      for (const volume of ['docs', 'pairs'])
        assert.ok((await client.readSmallFile(volume, path)).bytes.equals(bytes), `${volume} ${path}`)
    }
  }
  const bytes = randomBytes(2_000_000)
  await third.writeSmallFile('docs', 'later', bytes)
  assert.ok((await second.readSmallFile('docs', 'later')).bytes.equals(bytes))
})
