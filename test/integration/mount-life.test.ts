// A mount that stands still, that finds damage, or that comes after one that was killed.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test, type TestContext } from 'node:test'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { connect, MountedNode } from '../support/mounted-node.ts'
import { freePort, type NodeProcess, startNodeProcess } from '../support/node-process.ts'

const VOLUME = 'lived'
const onKernel = { skip: noMounts, timeout: 120_000 }
const folder = mkdtempSync(join(tmpdir(), 'shoal-life-'))
let node: NodeProcess

before(async () => {
  if (noMounts !== false) return
  node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
  const client = connect(node.origin)
  await client.createVolume(VOLUME)
  await client.close()
})

after(async () => {
  if (noMounts !== false) return
  await node.stop()
  rmSync(folder, { recursive: true, force: true })
})

function mountIn(t: TestContext, state: string): MountedNode {
  const mounted = new MountedNode({ endpoint: node.origin, volume: VOLUME, state })
  t.after(() => mounted.remove())
  return mounted
}

async function said(mounted: MountedNode, args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const child = mounted.shoal(args)
  const [output, [code]] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), once(child, 'exit')])
  return { code: code as number, output }
}

test('a mount that does not answer is listed as silent, whatever its status says, and is unmounted', onKernel, async (t) => {
  const state = mkdtempSync(join(folder, 'state-'))
  const mounted = mountIn(t, state)
  await mounted.mount()
  const listed = async (as: string): Promise<void> => {
    const { code, output } = await said(mounted, ['mount', 'status', '--json'])
    assert.equal(code, 0)
    assert.ok(output.includes(`${JSON.stringify({ volume: VOLUME, directory: mounted.directory, state: as })}\n`), output)
  }
  const status = readdirSync(join(state, 'shoal')).find((name) => name.endsWith('.status'))
  for (const damage of ['{"pending":', '\0'.repeat(64), 'null', '{"pending":"much"}', '']) {
    writeFileSync(join(state, 'shoal', status as string), damage)
    await listed('mounted')
  }
  const pid = mounted.pid as number
  process.kill(pid, 'SIGSTOP')
  t.after(() => process.kill(pid, 'SIGCONT'))
  await listed('silent')
  assert.equal((await said(mounted, ['unmount', mounted.directory])).code, 0)
})

test('what an earlier mount has not sent is not passed over by one that writes through', onKernel, async (t) => {
  const mounted = mountIn(t, mkdtempSync(join(folder, 'state-')))
  const through = ['mount', VOLUME, mounted.directory, '--write-mode', 'through']
  await mounted.mount()
  const { child } = node
  try {
    // Names in a directory that was just made are free without a question.
    await mounted.sh('mkdir d')
    child.kill('SIGSTOP')
    await mounted.sh('echo kept > d/f')
    await mounted.kill()
  } finally {
    child.kill('SIGCONT')
  }
  assert.notEqual((await said(mounted, through)).code, 0)
  await mounted.mount()
  assert.equal(await mounted.sh('cat d/f'), 'kept\n')
  await mounted.unmount()
  assert.equal((await said(mounted, through)).code, 0)
  assert.equal(await mounted.sh('cat d/f'), 'kept\n')
})
