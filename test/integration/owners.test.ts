// Whose entries are, by the command line, at a real node.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { main } from '../../src/cli/main.ts'
import { ACCESS_KEY, freePort, type NodeProcess, SECRET_KEY, startNodeProcess } from '../support/node-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-owners-'))
let node: NodeProcess

before(async () => {
  node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
})

after(async () => {
  await node.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function shoal(...args: readonly string[]): Promise<string> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const env = { SHOAL_ENDPOINT: node.origin, SHOAL_ACCESS_KEY: ACCESS_KEY, SHOAL_SECRET_KEY: SECRET_KEY, HOME: folder }
  const code = await main(args, { stdin: Readable.from([]), stdout, stderr, env } as never)
  assert.equal(code, 0, (stderr.read() as Buffer | null)?.toString() ?? '')
  return (stdout.read() as Buffer | null)?.toString() ?? ''
}

async function owner(path: string): Promise<string> {
  const { uid, gid, mode } = JSON.parse(await shoal('stat', '--json', path)) as Record<string, unknown>
  return `${uid as number}:${gid as number} ${mode as string}`
}

test('the root of a volume is whose it is made for, and what is in it whose it is given to', async () => {
  await shoal('volume', 'create', 'plain')
  assert.equal(await owner('plain:/'), '0:0 0755')
  await shoal('volume', 'create', 'given', '--owner', '1000:1001', '--mode', '2770')
  assert.equal(await owner('given:/'), '1000:1001 2770')
  await shoal('mkdir', '-p', 'given:/a/b', 'given:/c')
  assert.match(await shoal('chown', '-R', '5:6', 'given:/a'), /given:\/a and 1 entry in it/)
  await shoal('chown', ':7', 'given:/c')
  await shoal('chmod', '-R', '700', 'given:/a')
  assert.deepEqual(await Promise.all(['given:/', 'given:/a', 'given:/a/b', 'given:/c'].map(owner)), [
    '1000:1001 2770',
    '5:6 0700',
    '5:6 0700',
    '0:7 0755',
  ])
})

test('the root of an eventual volume, which has no owner, is not given away, and what is in it is', async () => {
  await assert.rejects(shoal('volume', 'create', 'loose', '--consistency', 'eventual', '--owner', '1000'), /eventual/)
  await shoal('volume', 'create', 'loose', '--consistency', 'eventual')
  await shoal('mkdir', 'loose:/ann')
  await shoal('chown', '1000:1001', 'loose:/ann')
  assert.equal(await owner('loose:/ann'), '1000:1001 0755')
})
