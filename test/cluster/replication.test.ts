import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openDiskChunkStore } from '#chunk/disk.ts'
import { ShoalClient } from '#client/shoal-client.ts'
import type { RemoteLocations } from '#client/wire.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { Cli } from '../integration/cli-process.ts'
import { ACCESS_KEY, SECRET_KEY, freePort, startNodeProcess } from '../support/node-process.ts'
import type { NodeProcess } from '../support/node-process.ts'

// Three nodes in processes of their own, over TLS on loopback: one leads, all keep chunks.

const NAMES = ['founder', 'second', 'third'] as const
type Name = (typeof NAMES)[number]

const SIZES = [1024, 5_000, 300_000, 1_048_577, 8_388_609, 20 * 1_048_576]

let folder: string
let cli: Cli
let client: ShoalClient
const running = new Map<Name, { node: NodeProcess; port: number }>()
const contents = new Map<string, Buffer>()

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-replication-'))
})

after(async () => {
  await client?.close()
  await Promise.all([...running.values()].map(({ node }) => node.kill()))
  await rm(folder, { recursive: true, force: true })
})

async function start(name: Name, { port, token }: { port?: number; token?: string } = {}): Promise<void> {
  const at = port ?? (await freePort())
  const unset = { SHOAL_ROOT_ACCESS_KEY: undefined, SHOAL_ROOT_SECRET_KEY: undefined }
  const environment = { ...(name === 'founder' ? {} : unset), SHOAL_TOKEN: token }
  const node = await startNodeProcess({ data: join(folder, name), port: at, flags: ['--zone', name], environment })
  running.set(name, { node, port: at })
}

const at = (name: Name) => running.get(name) as { node: NodeProcess; port: number }
const clientOf = (name: Name) =>
  new ShoalClient({
    endpoint: at(name).node.origin,
    accessKey: ACCESS_KEY,
    secretKey: SECRET_KEY,
    clock: nodeClock,
    random: nodeRandom,
  })

async function idOf(name: Name): Promise<string> {
  return (JSON.parse(await readFile(join(folder, name, 'format.json'), 'utf8')) as { nodeId: string }).nodeId
}

async function until(what: string, holds: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
  const beganMs = performance.now()
  while (!(await holds())) {
    assert.ok(performance.now() - beganMs < withinMs, `not within ${withinMs} ms: ${what}`)
    await delay(50)
  }
}

async function write(path: string, sizeBytes: number, through: ShoalClient = client): Promise<void> {
  const bytes = randomBytes(sizeBytes)
  await through.writeSmallFile('docs', path, bytes)
  contents.set(path, bytes)
}

async function readsBack(path: string, through: ShoalClient = client): Promise<void> {
  const { bytes } = await through.readSmallFile('docs', path)
  assert.ok(bytes.equals(contents.get(path) as Buffer), `${path} comes back exact`)
}

type Extents = RemoteLocations['extents']

async function chunksOf(path: string): Promise<Extents> {
  return (await client.locate('docs', path)).extents.filter(({ kind }) => kind === 'chunk')
}

async function isStored(path: string, nodes: number): Promise<boolean> {
  const chunks = await chunksOf(path)
  return chunks.every((chunk) => chunk.state === 'stored' && chunk.nodes.length === nodes)
}

const chunkFile = (name: Name, chunk: string) =>
  join(folder, name, 'chunks', 'chunks', chunk.slice(0, 2), chunk.slice(2, 4), chunk)

test('a third node makes the default class keep three copies, and every chunk gets them', async () => {
  await start('founder')
  cli = new Cli(at('founder').node.origin, folder)
  client = clientOf('founder')
  const token = (await cli.run('cluster', 'token', '--uses', '2')).trimEnd().split('\n').at(-1) as string
  await Promise.all([start('second', { token }), start('third', { token })])
  await until('three copies', async () => {
    const { copies, nodes, short } = await client.classes.show('default')
    return copies === 3 && nodes === 3 && !short
  })
  await client.createVolume('docs')
  const ids = await Promise.all(NAMES.map(idOf))
  for (const size of SIZES) {
    await write(`${size}`, size)
    await until(`${size} bytes are on three nodes`, () => isStored(`${size}`, 3))
    for (const { nodes } of await chunksOf(`${size}`)) assert.deepEqual(nodes.toSorted(), ids.toSorted())
    await readsBack(`${size}`)
  }
  assert.match(await cli.run('stat', '--locations', 'docs:/300000'), /stored: on \w+, on \w+, on \w+/)
})

test('a bit that flips on a disk is not read, and is repaired', async () => {
  const [extent] = await chunksOf('300000')
  const path = chunkFile('founder', extent?.chunk as string)
  const before = await readFile(path)
  const file = await open(path, 'r+')
  await file.write(Buffer.from([(before[200_000] as number) ^ 1]), 0, 1, 200_000)
  await file.close()
  await readsBack('300000')
  await until('it is repaired', async () => (await readFile(path)).equals(before))
})

test('a node that is killed stops neither reads nor writes, through whichever node', async () => {
  const { node, port } = at('third')
  await node.kill()
  const second = clientOf('second')
  try {
    for (const size of SIZES) {
      await Promise.all([write(`killed-${size}`, size), readsBack(`${size}`), readsBack(`${size}`, second)])
    }
    await write('through-second', 2_000_000, second)
    await readsBack('through-second')
  } finally {
    await second.close()
  }
  running.delete('third')
  await start('third', { port })
  for (const path of contents.keys()) await until(`${path} is on three nodes again`, () => isStored(path, 3), 30_000)
})

test('a volume that gets another class has the copies of that one within seconds', async () => {
  const copiesOf = async (): Promise<number[]> => {
    const { extents } = await client.locate('precious', 'a')
    return extents.map(({ copies, state }) => (state === 'stored' ? (copies?.length ?? 0) : 0))
  }
  await client.classes.create('single', { copies: 1 })
  await client.createVolume('precious', { class: 'single' })
  await client.writeSmallFile('precious', 'a', randomBytes(2_000_000))
  assert.deepEqual(await copiesOf(), [1])
  await client.updateVolume('precious', { class: 'default' })
  await until('it has three copies', async () => (await copiesOf()).every((copies) => copies >= 3), 20_000)
})

test('the tracker settles the layouts of these nodes, and any node tells what it has done', async () => {
  await until('the layouts are settled', async () => !(await client.classes.show('default')).moving, 60_000)
  const third = clientOf('third')
  try {
    const { tasks, decisions } = await third.tracker.status()
    const rebalance = tasks.find(({ task }) => task === 'rebalance')
    assert.ok(rebalance !== undefined && rebalance.walk > 0)
    assert.ok(decisions.some(({ kind }) => kind === 'settle' || kind === 'copy'))
    const paused = await third.tracker.pause('scrub')
    assert.equal(paused.tasks.find(({ task }) => task === 'scrub')?.activity, 'paused')
    await third.tracker.resume('scrub')
    await third.tracker.run('trim', { dryRun: true })
  } finally {
    await third.close()
  }
})

test('each copy on each node is the chunk that it is named after', async () => {
  const ids = new Map(await Promise.all(NAMES.map(async (name) => [name, await idOf(name)] as const)))
  const third = ids.get('third') as string
  await until('the node that was killed is back', async () => (await chunksOf('300000'))[0]?.nodes.includes(third) === true)
  const chunks = new Map<string, readonly string[]>()
  for (const path of contents.keys()) {
    for (const { chunk, nodes } of await chunksOf(path)) {
      assert.equal(nodes.length, 3, `${path} is on ${nodes.length} nodes`)
      chunks.set(chunk as string, nodes)
    }
  }
  assert.ok(chunks.size >= 10)
  assert.deepEqual(await Promise.all(NAMES.map((name) => at(name).node.stop())), [0, 0, 0])
  for (const name of NAMES) {
    running.delete(name)
    const path = join(folder, name, 'chunks')
    const ports = { files: nodeFiles, digests: nodeDigests, clock: nodeClock, random: nodeRandom }
    const store = await openDiskChunkStore({ path, ...ports })
    for (const [chunk, nodes] of chunks) {
      if (!nodes.includes(ids.get(name) as string)) continue
      const digest = createHash('sha256').update(await store.read(chunk as ChunkId))
      assert.equal(digest.digest('hex'), chunk)
    }
    await store.close()
  }
})

test('the leader’s folder alone is not taken for all there is', async () => {
  const { code, err } = await cli.start('fsck', '--data', join(folder, 'founder')).ended
  assert.equal(code, 1)
  assert.match(err, /lie on several nodes/)
})
