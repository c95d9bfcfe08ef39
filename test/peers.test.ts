// What the comparison with peers makes of warp's operations and of /proc; no peer is needed for it.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { zstdCompressSync } from 'node:zlib'
import { afterWarmUp, type Operation, readOperations, summarize } from '../tools/peers/operations.ts'
import { membersOf, parseStat, ProcessUsage } from '../tools/peers/process-usage.ts'
import { type Report, toMarkdown } from '../tools/peers/report.ts'
import { type WarpWorkload, workloads } from '../tools/peers/workloads.ts'

const HEADER =
  'idx\tthread\top\tclient_id\tn_objects\tbytes\tendpoint\tfile\terror\tstart\tfirst_byte\tlast_byte\tend\tduration_ns\tcat'

function operation(startMs: number, endMs: number, others: Partial<Operation> = {}): Operation {
  return { kind: 'PUT', objects: 1, bytes: 1024, error: '', startMs, endMs, ...others }
}

test('operations are read as warp writes them, with their times to the microsecond', () => {
  const lines = [
    HEADER,
    '0\t7\tPUT\tDzpy\t1\t1024\thttp://127.0.0.1:1\ta/b.rnd\t\t2026-11-26T15:07:09.5Z\t\t\t2026-11-26T15:07:09.500250Z\t250000\t0',
    '1\t7\tLIST\tDzpy\t125\t0\thttp://127.0.0.1:1\ta\tgone\t2026-11-26T15:07:10Z\t\t\t2026-11-26T15:07:11.000000001Z\t1\t0',
    '# warp list --full',
  ]
  const [put, list, ...more] = readOperations(zstdCompressSync(Buffer.from(lines.join('\n'))))
  const secondMs = Date.parse('2026-11-26T15:07:09Z')
  assert.deepEqual(put, operation(secondMs + 500, secondMs + 500.25))
  assert.deepEqual(list, {
    kind: 'LIST',
    objects: 125,
    bytes: 0,
    error: 'gone',
    startMs: secondMs + 1000,
    endMs: secondMs + 2000,
  })
  assert.deepEqual(more, [])
})

test('operations with other columns are refused', () => {
  assert.throws(() => readOperations(zstdCompressSync(Buffer.from('op\tstart\nPUT\t0\n'))), /other columns/)
})

test('an operation that goes on when the last one begins counts by its share', () => {
  // Of the second, a quarter lies before the last start, at 1,000 ms; the third only begins.
  const outcome = summarize([operation(0, 500), operation(500, 2500), operation(1000, 1500)])
  assert.equal(outcome?.operationsPerSecond, 1.25)
  assert.equal(outcome.bytesPerSecond, 1280)
})

test('operations that failed are counted as errors and nothing else', () => {
  const outcome = summarize([operation(0, 10), operation(0, 9000, { error: 'SlowDown' }), operation(1000, 1010)])
  assert.equal(outcome?.errors, 1)
  assert.equal(outcome.firstError, 'SlowDown')
  assert.equal(outcome.p99Ms, 10)
  assert.equal(summarize([operation(0, 1, { error: 'SlowDown' })]), undefined)
})

test('what begins while a server warms up is left out', () => {
  const [first, second, third] = [operation(5_000, 5_010), operation(7_999, 9_000), operation(8_000, 8_001)]
  assert.deepEqual(afterWarmUp([third, first, second], 3), [third])
  assert.deepEqual(afterWarmUp([third, first, second], 0), [third, first, second])
})

test('what a mixed run put before it began is left out', () => {
  const mixed = workloads({ objects: 1 }).find((each) => each.name === 'mixed' && 'warp' in each) as WarpWorkload
  const run = [operation(10_000, 10_010), operation(10_001, 10_002, { kind: 'GET' }), operation(10_500, 10_600)]
  assert.deepEqual(mixed.measures[0]?.select([operation(0, 100), ...run]), run)
})

test('a process may have any name', () => {
  const line = `42 (a) S (b) R 1 7 7 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 5 1000000 25 ${'0 '.repeat(27)}`
  assert.deepEqual(parseStat(line), { parent: 1, group: 7, cpuSeconds: 2, rssBytes: 102_400 })
})

test('a group is its leader and all that it starts, and what has ended counts on', async () => {
  // A shell that lets a child work for half a second of processor time and goes on without it.
  const work = 'const end = process.cpuUsage().user + 5e5; while (process.cpuUsage().user < end);'
  const child = spawn('sh', ['-c', `"$0" -e "$1"; echo; sleep 60`, process.execPath, work], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const group = child.pid!
  const usage = new ProcessUsage(group)
  const startMs = Date.now()
  usage.start()
  try {
    await delay(50)
    assert.ok(membersOf(group).length >= 2, 'the shell and what it runs')
    await once(child.stdout, 'data')
    await delay(250)
    usage.stop()
    const cpuSeconds = usage.cpuSecondsBetween(startMs, Date.now())
    assert.ok(cpuSeconds > 0.2 && cpuSeconds < 5, `${cpuSeconds} s`)
    assert.ok(usage.peakRssBytes() > 20_000_000, 'Node takes more than 20 MB')
  } finally {
    usage.stop()
    process.kill(-group, 'SIGKILL')
  }
})

test('the table says how far ahead of the best peer Shoal is, and what failed', () => {
  const result = (operationsPerSecond: number, megabytes: number) => ({
    command: 'warp put',
    peakRssBytes: megabytes * 1_000_000,
    measures: [
      {
        ...summarize([operation(0, 10), operation(1000, 1010)])!,
        operationsPerSecond,
        measure: 'PUT',
        cpuSecondsPerGiB: 1,
        cpuSecondsPerThousand: 0.5,
        generatorCores: 1,
        otherCores: 0,
      },
    ],
  })
  const report: Report = {
    startedAt: '2026-11-26T15:00:00Z',
    machine: 'one',
    generators: ['warp', 'wrk'],
    durationSeconds: 1,
    contestants: [
      { name: 'versitygw', version: '1', durability: '', durabilityByDefault: '', flushes: false, command: 'versitygw posix' },
    ],
    skipped: [{ name: 'garage', reason: 'no cargo' }],
    runs: [
      { workload: 'put-16', contestant: 'shoal', result: result(300, 200) },
      { workload: 'put-16', contestant: 'minio', result: result(100, 40) },
      { workload: 'put-16', contestant: 'versitygw', result: result(200, 60) },
      { workload: 'put-16', contestant: 'seaweedfs', result: { failed: 'it ended' } },
    ],
  }
  const markdown = toMarkdown(report, workloads({ objects: 1 }).slice(0, 1))
  assert.match(markdown, /to reach 2 ×: \*\*3\.00 ×\*\* the best peer that flushes \(minio\), reached/)
  assert.match(markdown, /\*\*1\.50 ×\*\* the best that doesn't \(versitygw\), missed/)
  assert.match(markdown, /160 MB more than the leanest \(minio\); to reach: at most 150 MB more: missed/)
  assert.match(markdown, /Failed: seaweedfs: it ended/)
  assert.match(markdown, /\| garage \| not measured \| no cargo \|/)
})

test('a peer that is not to be had is left out with the reason, and the command ends', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-peers-test-'))
  try {
    const child = spawn(process.execPath, ['tools/bench-peers.ts', '--bin', folder, '--out', join(folder, 'out.md')], {
      env: { HOME: folder, XDG_CACHE_HOME: folder, PATH: folder },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', (piece: Buffer) => (said += piece.toString()))
    const [code] = (await once(child, 'close')) as [number]
    assert.equal(code, 2)
    assert.match(
      said,
      /nothing to load them with, warp: it isn't there, and go, .*github\.com\/minio\/warp@v1\.6\.1\), isn't either/,
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a peer that another program administers needs both, and no program that only has the name', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-peers-test-'))
  const findSites = (): unknown => {
    const script = `import { findServer } from './tools/peers/programs.ts'
      console.log(JSON.stringify(findServer({ program: 'minio', administrator: 'mc' }, ${JSON.stringify(folder)})))`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      env: { HOME: folder, XDG_CACHE_HOME: folder, PATH: folder },
      encoding: 'utf8',
    })
    return JSON.parse(stdout)
  }
  const install = (name: string, says: string): string => {
    const path = join(folder, name)
    writeFileSync(path, `#!/bin/sh\necho '${says}'\n`, { mode: 0o755 })
    return path
  }
  try {
    const server = { path: install('minio', 'minio version 1'), version: 'minio version 1' }
    install('mc', 'GNU Midnight Commander 4.8.33')
    const { missing } = findSites() as { missing: string }
    assert.match(missing, /^mc, which administers it: it isn't there, and go, .*github\.com\/minio\/mc@/)
    const administrator = { path: install('mc', 'mc version 2'), version: 'mc version 2' }
    assert.deepEqual(findSites(), { server, administrator })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
