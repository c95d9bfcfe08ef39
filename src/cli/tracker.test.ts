import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { EXIT } from './exit-code.ts'
import { startTestCli } from './test-cli.suite.ts'
import type { TestCli } from './test-cli.suite.ts'

let cli: TestCli

before(async () => {
  cli = await startTestCli()
})

after(() => cli[Symbol.asyncDispose]())

test('status has a line for each task: what it does, how far it is, what it may use', async () => {
  const { code, out } = await cli.run('tracker', 'status')
  assert.equal(code, EXIT.ok)
  assert.match(out, /^TASK +STATE +DONE +LEFT +HAS DONE +MAY USE\n/)
  assert.match(
    out,
    /\nrepair +running +25% +1 min 30 s +256 chunks, 4 copies made \(32 MiB\), 1 corrupt, 2 failed +50 MiB\/s, 50% of the time\n/,
  )
  assert.match(out, /\ntrim +idle +- +- +0 chunks +no limit\n/)
  assert.match(out, /\n7 chunks wait for a repair\n$/)
})

test('status shows the last decisions where asked, and everything as JSON', async () => {
  const { out } = await cli.run('tracker', 'status', '--decisions')
  assert.match(out, /\n2026-11-20 12:00 +repair +copy +(?:ab){32} +to (?:cd){16}\n/)
  assert.match(out, /\n2026-11-20 12:00 +rebalance +settle +3\/1/)
  assert.deepEqual(JSON.parse((await cli.run('tracker', 'status', '--json')).out), cli.server.tracker.document)
})

test('pause, resume and run tell the tracker what to do, with which limits', async () => {
  for (const args of [
    ['pause'],
    ['pause', 'scrub'],
    ['resume', 'scrub'],
    ['run', 'trim', '--dry-run'],
    ['run', 'rebalance', '--bytes-per-second', '50MiB', '--ops-per-second', '100', '--share', '25'],
  ])
    assert.equal((await cli.run('tracker', ...args)).code, EXIT.ok)
  assert.deepEqual(cli.server.tracker.told, [
    ['pause', {}],
    ['pause', { task: 'scrub' }],
    ['resume', { task: 'scrub' }],
    ['run', { task: 'trim', dryRun: true }],
    ['run', { task: 'rebalance', dryRun: false, budget: { bytesPerSecond: 52_428_800, opsPerSecond: 100, share: 0.25 } }],
  ])
})

test('what is no task or no limit is said without asking the node', async () => {
  const asked = cli.server.tracker.told.length
  const wrong = await cli.run('tracker', 'run', 'tidy')
  assert.equal(wrong.code, EXIT.usage)
  assert.match(wrong.err, /"tidy" is no task of the tracker: repair, drain, rebalance, collect, scrub, trim are/)
  assert.equal((await cli.run('tracker', 'run', 'scrub', '--share', '0')).code, EXIT.usage)
  assert.equal((await cli.run('tracker', 'run', 'scrub', '--bytes-per-second', '0')).code, EXIT.usage)
  assert.equal(cli.server.tracker.told.length, asked)
})
