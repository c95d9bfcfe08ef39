import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { RemoteNode } from '#client/wire.ts'
import { Cli } from '../integration/cli-process.ts'
import { AUTHORIZATION, freePort, startNodeProcess } from '../support/node-process.ts'
import type { NodeProcess } from '../support/node-process.ts'

// Real nodes in processes of their own, over TLS on loopback.

/** docs/formats/gossip.md: 6.5 s at worst among three, and this machine may be busy. */
const DEATH_MS_MAX = 12_000

let folder: string
let cli: Cli
const running = new Map<string, { node: NodeProcess; port: number }>()

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-join-'))
})

after(async () => {
  await Promise.all([...running.values()].map(({ node }) => node.kill()))
  await rm(folder, { recursive: true, force: true })
})

/** Only the founder is told the root key: the others have to learn it from the cluster. */
async function start(
  name: string,
  { port, flags = [], token }: { port?: number; flags?: string[]; token?: string } = {},
): Promise<NodeProcess> {
  const at = port ?? (await freePort())
  const unset = { SHOAL_ROOT_ACCESS_KEY: undefined, SHOAL_ROOT_SECRET_KEY: undefined }
  const environment = { ...(name.startsWith('founder') ? {} : unset), SHOAL_TOKEN: token }
  const node = await startNodeProcess({ data: join(folder, name), port: at, flags, environment })
  running.set(name, { node, port: at })
  return node
}

const at = (name: string) => running.get(name) as { node: NodeProcess; port: number }

async function get(name: string, path: string): Promise<Response> {
  return fetch(`${at(name).node.origin}/api/v1${path}`, { headers: { authorization: AUTHORIZATION } })
}

async function nodesAt(name: string): Promise<readonly RemoteNode[]> {
  const response = await get(name, '/nodes')
  assert.equal(response.status, 200)
  return ((await response.json()) as { nodes: RemoteNode[] }).nodes
}

async function until(what: string, holds: () => Promise<boolean>, withinMs = 10_000): Promise<number> {
  const beganMs = performance.now()
  while (!(await holds())) {
    assert.ok(performance.now() - beganMs < withinMs, `not within ${withinMs} ms: ${what}`)
    await delay(50)
  }
  return performance.now() - beganMs
}

async function idOf(name: string): Promise<string> {
  return (JSON.parse(await readFile(join(folder, name, 'format.json'), 'utf8')) as { nodeId: string }).nodeId
}

async function stateOf(id: string, seenBy: string): Promise<string | undefined> {
  return (await nodesAt(seenBy)).find((node) => node.id === id)?.state
}

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1) as string
const token = async (...flags: string[]) => lastLine(await cli.run('cluster', 'token', ...flags))

/** The same start again, or one that is refused: what it says. */
async function refused(name: string, options: { flags?: string[]; token?: string } = {}): Promise<string> {
  const error = await start(name, options).then(
    () => assert.fail('it started'),
    (cause: Error) => cause,
  )
  running.delete(name)
  return error.message
}

test('a node founds a cluster, lets two in with one line each, and all three know each other and the keys', async () => {
  await start('founder')
  cli = new Cli(at('founder').node.origin, folder)
  const line = await token('--uses', '2', '--expires', '1h')
  assert.match(line, /^shoal1\.[\w-]+$/)
  const nodePort = at('founder').port + 2
  await Promise.all([
    start('second', { token: line, flags: ['--join', `127.0.0.1:${nodePort}`, '--zone', 'rack-2'] }),
    start('third', { token: line, flags: ['--capacity', '100GiB'] }),
  ])
  for (const name of ['founder', 'second', 'third']) {
    await until(
      `three alive, as ${name} sees it`,
      async () => (await nodesAt(name)).filter(({ state }) => state === 'alive').length === 3,
    )
    const nodes = await nodesAt(name)
    assert.deepEqual(
      nodes.filter(({ home }) => home).map(({ id }) => id),
      [await idOf('founder')],
    )
    assert.deepEqual(
      nodes.filter(({ self }) => self).map(({ id }) => id),
      [await idOf(name)],
    )
    const second = nodes.find(({ zone }) => zone === 'rack-2')
    assert.deepEqual([second?.id, second?.restPort], [await idOf('second'), at('second').port])
    assert.equal(nodes.find(({ capacityBytes }) => capacityBytes === 100 * 2 ** 30)?.id, await idOf('third'))
  }
  const list = await cli.run('node', 'list')
  for (const part of [/^NODE +STATE +ADDRESS/, / rack-2 /, / leads, answers\n/]) assert.match(list, part)
  assert.match(await cli.run('node', 'show', (await idOf('second')).slice(0, 8)), /Zone +rack-2/)
})

test('any node serves any request, with the keys of the cluster', async () => {
  const second = new Cli(at('second').node.origin, folder)
  await second.run('volume', 'create', 'docs')
  const file = join(folder, 'file')
  const bytes = randomBytes(9_000_000)
  await writeFile(file, bytes)
  await second.run('cp', '--verify', file, 'docs:/file')
  const missing = await second.start('ls', 'nothing:/').ended
  assert.equal(missing.err.split('shoal volume list').length, 2, 'what to do is said once')
  const third = await get('third', '/volumes/docs/files/file')
  assert.ok(bytes.equals(Buffer.from(await third.arrayBuffer())))
  const key = JSON.parse(await second.run('key', 'create', '--principal', 'alice', '--json')) as Record<string, string>
  const authorization = `Basic ${Buffer.from(`${key['accessKey']}:${key['secretKey']}`).toString('base64')}`
  for (const name of ['founder', 'second', 'third']) {
    const { origin } = at(name).node
    const status = await fetch(`${origin}/api/v1/status`, { headers: { authorization } })
    assert.equal(status.status, 200, name)
    assert.equal((await fetch(`${origin}/api/v1/volumes/docs`)).status, 401)
    const propfind = await fetch(`${origin}/dav/docs/`, { method: 'PROPFIND', headers: { authorization, depth: '1' } })
    assert.match(await propfind.text(), /file/)
    const s3 = await fetch(`http://127.0.0.1:${at(name).port + 1}/docs/file`)
    assert.match(await s3.text(), /AccessDenied/)
  }
})

test('what is decided about a node is known to all, and can be taken back; status says who has the volumes', async () => {
  const id = await idOf('third')
  const home = await idOf('founder')
  assert.match(await cli.run('status'), new RegExp(`Contents +.* of 1 volume\n(?:.*\n)*Metadata +on one node, ${home}`))
  const second = new Cli(at('second').node.origin, folder)
  assert.match(
    await second.run('status'),
    new RegExp(`Contents +known to ${home} alone\n(?:.*\n)*Metadata +on one node, ${home}`),
  )
  assert.match(await cli.run('node', 'drain', id), /is draining/)
  assert.match(await cli.run('node', 'weight', id, '0.5'), /has the weight 0.5/)
  for (const name of ['founder', 'second', 'third']) {
    await until(`draining, as ${name} sees it`, async () => (await stateOf(id, name)) === 'draining')
    assert.equal((await nodesAt(name)).find((node) => node.id === id)?.weight, 0.5)
  }
  await cli.run('node', 'activate', id)
  await until('active, as the second sees it', async () => (await stateOf(id, 'second')) === 'alive')
})

test('a token that is used up or mistyped, or a folder with data of its own, is refused with what to do', async () => {
  const line = await token()
  assert.match(await refused('fourth', { token: `${line.slice(0, -3)}AAA` }), /mistyped or cut: copy the whole line/)
  assert.match(
    await refused('fourth', { flags: ['--join', `127.0.0.1:${at('founder').port + 2}`] }),
    /takes a token: run "shoal cluster token"/,
  )
  await start('fourth', { token: line })
  assert.match(await refused('fifth', { token: line }), /used already: make another one with "shoal cluster token"/)
  await at('fourth').node.stop()

  await start('founder-of-another')
  const other = new Cli(at('founder-of-another').node.origin, folder)
  await other.run('volume', 'create', 'docs')
  const foreign = lastLine(await other.run('cluster', 'token'))
  assert.match(
    await refused('fourth', { token: foreign }),
    /belongs to cluster [0-9a-f]{32} and holds data, so it can't join cluster/,
  )
  await at('founder-of-another').node.stop()
  assert.match(await refused('founder-of-another', { token: await token() }), /holds data, so it can't join/)
})

test('a node that is killed is known to be dead in time, and is itself again after a start without any flags', async () => {
  const id = await idOf('third')
  const { port, node } = at('third')
  const before = (await nodesAt('founder')).find((each) => each.id === id)?.incarnation as number
  await node.kill()
  for (const name of ['founder', 'second'])
    await until(`dead, as ${name} sees it`, async () => (await stateOf(id, name)) === 'dead', DEATH_MS_MAX)
  await cli.run('cluster', 'rotate-key')
  assert.match(await cli.run('node', 'drain', id), /is draining from now on, and dead at the moment/)
  assert.match(await cli.run('node', 'activate', id), /is active from now on, and dead at the moment/)
  await start('third', { port })
  for (const name of ['founder', 'second', 'third'])
    await until(`back, as ${name} sees it`, async () => (await stateOf(id, name)) === 'alive')
  const again = (await nodesAt('founder')).find((each) => each.id === id)
  assert.ok((again?.incarnation ?? 0) > before)
  assert.equal((await nodesAt('third')).filter(({ state }) => state === 'alive').length, 3)
})

test('a node that is removed stops, and its id never comes back; one that stops has left', async () => {
  const id = await idOf('third')
  const { node } = at('third')
  const unforced = await cli.start('node', 'remove', id).ended
  assert.match(unforced.err, /runs, and what it has may not be elsewhere yet: drain it/)
  assert.equal(unforced.code, 1)
  await cli.run('node', 'remove', id, '--force')
  await until('it ends by itself', async () => node.child.exitCode !== null)
  assert.equal(node.child.exitCode, 4)
  assert.match(node.log(), /was removed from its cluster, and its id does not come back/)
  running.delete('third')
  assert.equal(await stateOf(id, 'second'), undefined)
  assert.match(await refused('third'), /was removed from its cluster.*start it with another data folder and a new join token/)
  const home = (await nodesAt('founder')).find(({ home: isHome }) => isHome)?.id as string
  assert.match((await cli.start('node', 'remove', home).ended).err, /can't be removed: the volumes are served from it/)

  const second = await idOf('second')
  assert.equal(await at('second').node.stop(), 0)
  await until('it has left', async () => (await stateOf(second, 'founder')) === 'left')
  running.delete('second')
})
