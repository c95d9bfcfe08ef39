import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { RemoteDrain, RemoteNode } from '#client/wire.ts'
import { EXIT } from './exit-code.ts'
import { startTestCli } from './test-cli.suite.ts'
import type { TestCli } from './test-cli.suite.ts'

const ID = 'ab'.repeat(16)
const NODE: RemoteNode = {
  id: ID,
  state: 'draining',
  drained: null,
  since: '2026-11-20T12:00:00.000000000Z',
  self: false,
  home: false,
  host: '10.0.0.4',
  nodePort: 7402,
  restPort: 7400,
  s3Port: 7401,
  roles: ['store'],
  zone: 'rack-4',
  weight: 1,
  clockAheadMs: 0,
  capacityBytes: 1024 ** 3,
  usedBytes: 0,
  version: '1',
  incarnation: 1,
}
const DRAIN: RemoteDrain = {
  node: ID,
  chunks: 1_000,
  bytes: 10 * 1024 ** 2,
  left: { chunks: 250, bytes: 2.5 * 1024 ** 2 },
  activity: 'running',
  bytesPerSecond: 1024 ** 2,
  secondsLeft: 90,
  hindrances: [],
}

let cli: TestCli

before(async () => {
  cli = await startTestCli()
})
after(() => cli[Symbol.asyncDispose]())
beforeEach(() => {
  cli.server.nodes = [NODE]
  cli.server.drain = DRAIN
})

test('of a node that is draining it is shown what is left, and whether that moves', async () => {
  const { code, out } = await cli.run('node', 'show', '10.0.0.4')
  assert.equal(code, EXIT.ok)
  assert.match(
    out,
    /\nLeft +250 chunks, 2.5 MiB of 1,000 chunks, 10 MiB\nMoves +yes, 1.0 MiB\/s copied and verified, 1 min 30 s left\n$/,
  )
  const json = await cli.run('node', 'show', ID, '--json')
  assert.deepEqual((JSON.parse(json.out) as { drain: unknown }).drain, DRAIN)
})

test('what keeps a drain from its end is shown, also of a node that is away', async () => {
  cli.server.nodes = [{ ...NODE, state: 'dead' }]
  cli.server.drain = {
    ...DRAIN,
    chunks: null,
    bytes: null,
    left: null,
    activity: 'idle',
    hindrances: ['It is away', 'There are too few'],
  }
  const { out } = await cli.run('node', 'show', ID)
  assert.match(out, /\nLeft +not known\nMoves +no, the task is idle\nHeld up +It is away\n +There are too few\n$/)
})

test('of a node that is not to be drained nothing of the kind is shown', async () => {
  cli.server.drain = undefined
  for (const state of ['alive', 'dead']) {
    cli.server.nodes = [{ ...NODE, state }]
    assert.doesNotMatch((await cli.run('node', 'show', ID)).out, /Left|Drain|Moves/)
  }
})
