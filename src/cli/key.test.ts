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

const ROOT_KEY = { SHOAL_ACCESS_KEY: 'rootkey', SHOAL_SECRET_KEY: 'roots-own-secret' }

let folder: string
let node: RunningNode

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-key-'))
  const { config } = await loadConfig({
    flags: { data: join(folder, 'data'), port: '0', 'shutdown-grace-ms': '0ms' },
    env: { SHOAL_ROOT_ACCESS_KEY: ROOT_KEY.SHOAL_ACCESS_KEY, SHOAL_ROOT_SECRET_KEY: ROOT_KEY.SHOAL_SECRET_KEY },
    cwd: folder,
    files: { read: async () => undefined },
  })
  node = await startNode(config, { log: silentLog, version: '0.0.0' })
})

after(async () => {
  await node.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function shoal(env: Record<string, string>, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
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
  const code = await main(args, {
    stdin: Readable.from([]),
    stdout,
    stderr,
    env: { SHOAL_ENDPOINT: node.url, HOME: folder, ...ROOT_KEY, ...env },
  })
  return { code, out: texts[0] as string, err: texts[1] as string }
}

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await shoal({}, ...args, '--json')
  assert.equal(code, EXIT.ok, err)
  return JSON.parse(out) as Record<string, unknown>
}

const asKey = (key: Record<string, unknown>) => ({
  SHOAL_ACCESS_KEY: String(key['accessKey']),
  SHOAL_SECRET_KEY: String(key['secretKey']),
})

test('a key that is made opens the node, until it is disabled, rotated or removed', async () => {
  const key = await json('key', 'create', '--principal', 'alice', '--description', 'laptop')
  const name = String(key['accessKey'])
  const opens = async (env: Record<string, string>) => (await shoal(env, 'volume', 'list')).code === EXIT.ok
  assert.ok(await opens(asKey(key)))
  assert.equal((await json('key', 'disable', name))['enabled'], false)
  assert.ok(!(await opens(asKey(key))))
  assert.match((await shoal({}, 'key', 'list')).out, new RegExp(`${name} +alice +disabled +\\S.* laptop`))
  assert.equal((await json('key', 'enable', name))['enabled'], true)
  assert.ok(await opens(asKey(key)))
  const rotated = await json('key', 'rotate', name)
  assert.ok(!(await opens(asKey(key))))
  assert.ok(await opens(asKey(rotated)))
  assert.deepEqual(await json('key', 'remove', name), { accessKey: name, removed: true })
  assert.ok(!(await opens(asKey(rotated))))
  assert.equal((await shoal({}, 'key', 'remove', name)).code, EXIT.notFound)
})

test('a given name and secret are taken, and the secret is printed once', async () => {
  const made = await shoal({ SHOAL_NEW_SECRET_KEY: 'a-secret-of-ones-own' }, 'key', 'create', '--name', 'MY.KEY')
  assert.match(made.out, /access key {2}MY\.KEY\nsecret key {2}a-secret-of-ones-own\nprincipal {3}root\n/)
  assert.match(made.err, /shown this once/)
  assert.ok(!(await shoal({}, 'key', 'list', '--json')).out.includes('a-secret-of-ones-own'))
  assert.equal((await shoal({}, 'key', 'create', '--name', 'MY.KEY')).code, EXIT.failure)
})

test('who is not root may not manage keys', async () => {
  const key = await json('key', 'create', '--principal', 'bob')
  const { code, err } = await shoal(asKey(key), 'key', 'list')
  assert.equal(code, EXIT.refused)
  assert.match(err, /principal "root" alone/)
})
