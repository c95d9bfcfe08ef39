import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import { loadConfig } from '#config/load-config.ts'
import { startNode } from '#node/start-node.ts'
import type { RunningNode } from '#node/start-node.ts'
import { silentLog } from '#observe/log.ts'
import { EXIT } from './exit-code.ts'
import { main } from './main.ts'

let folder: string
let node: RunningNode

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-class-'))
  const { config } = await loadConfig({
    flags: { data: join(folder, 'data'), port: '0', 'shutdown-grace-ms': '0ms' },
    env: {},
    cwd: folder,
    files: { read: async () => undefined },
  })
  node = await startNode(config, { log: silentLog, version: '0.0.0' })
})

after(async () => {
  await node.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function shoal(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const texts = ['', '']
  const [stdout, stderr] = texts.map(
    (_, index) =>
      new Writable({
        write(piece: Buffer, _encoding, done) {
          texts[index] += piece.toString()
          done()
        },
      }),
  ) as [Writable, Writable]
  const { accessKey, secretKey } = node.credentials
  const env = { SHOAL_ENDPOINT: node.url, HOME: folder, SHOAL_ACCESS_KEY: accessKey, SHOAL_SECRET_KEY: secretKey }
  const code = await main(args, { stdin: Readable.from([Buffer.alloc(10_000, 7)]), stdout, stderr, env })
  return { code, out: texts[0] as string, err: texts[1] as string }
}

async function ok(...args: string[]): Promise<string> {
  const { code, out, err } = await shoal(...args)
  assert.equal(code, EXIT.ok, err)
  return out
}

test('on one node the default class has the one copy there is, and asks for no more', async () => {
  assert.match(await ok('class', 'show', 'default'), /Copies +1, growing to 3 as nodes join\n[\s\S]*State +complete/)
  await ok('volume', 'create', 'docs')
  await ok('cp', '-', 'docs:/a')
  const { extents } = JSON.parse(await ok('stat', '--json', '--locations', 'docs:/a'))
  assert.deepEqual(extents[0].copies, [{ node: node.nodeId, state: 'stored' }])
  assert.deepEqual(extents[0].nodes, [node.nodeId])
})

test('a class that asks for more nodes than there are is made, and its writes wait for them', async () => {
  assert.match(
    await ok('class', 'create', 'archive', '--copies', '3', '--zones', '2'),
    /short of nodes or zones: 1 copy in 1 zone/,
  )
  await ok('volume', 'create', 'safe', '--class', 'archive')
  const refused = await shoal('cp', '-', 'safe:/a')
  assert.equal(refused.code, EXIT.failure)
  assert.match(refused.err, /needs 2 copies of a chunk, and 1 nodes are there/)
  await ok('class', 'update', 'archive', '--ack', 'one')
  await ok('cp', '-', 'safe:/a')
  const [extent] = JSON.parse(await ok('stat', '--json', '--locations', 'safe:/a')).extents
  assert.equal(extent.state, 'need-replication')
  assert.match(await ok('stat', '--locations', 'safe:/a'), /need-replication: on [0-9a-f]{32}\n/)
})

test('a volume can have the classes that there are, and keeps them from being deleted', async () => {
  await ok('class', 'create', 'local', '--copies', '1')
  assert.match((await shoal('volume', 'create', 'none', '--class', 'nothing')).err, /There is no class "nothing"/)
  await ok('volume', 'create', 'some', '--class', 'local')
  const kept = await shoal('class', 'delete', 'local')
  assert.match(kept.err, /1 volumes have it, such as "some"/)
  await ok('volume', 'set', 'some', '--class', 'default')
  assert.equal(await ok('class', 'delete', 'local'), 'Deleted class local\n')
  const names = (await ok('class', 'list', '--json')).trim().split('\n')
  assert.deepEqual(
    names.map((line) => JSON.parse(line).name),
    ['archive', 'default'],
  )
  assert.match(await ok('class', 'list'), /CLASS +COPIES +ACK/)
})

test('a command that says too little is told what is missing', async () => {
  assert.match((await shoal('class', 'create', 'x')).err, /--copies N/)
  assert.match((await shoal('class', 'update', 'default')).err, /changes nothing/)
  assert.equal((await shoal('class', 'show', 'nothing')).code, EXIT.notFound)
})
