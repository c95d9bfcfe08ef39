// npm run bench:peers -- [OPTIONS]: Shoal and other S3 servers, each on loopback with a fresh folder, one after the other under
// the same load (MinIO's warp, or wrk where warp would measure itself), set to flush what they acknowledge. docs/benchmarks/peers.md says what came of it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { CLUSTER_CONTESTANTS } from './peers/cluster-contestants.ts'
import { type Contestant, CONTESTANTS } from './peers/contestants.ts'
import { isInOwnNetwork, runInOwnNetwork } from './peers/own-network.ts'
import { CACHE, findProgram, findServer, type Program, type ServerPrograms } from './peers/programs.ts'
import { type ContestantReport, type Report, toMarkdown } from './peers/report.ts'
import type { RunResult } from './peers/run-result.ts'
import { runWarp } from './peers/run-warp.ts'
import { runWrkLoad } from './peers/run-wrk.ts'
import { killServers, startServer } from './peers/server.ts'
import { type Workload, workloads } from './peers/workloads.ts'

const DURATION_SECONDS_MAX = 300
const OBJECTS_MAX = 10_000_000

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    workload: { type: 'string' },
    duration: { type: 'string', default: '10s' },
    'warm-up': { type: 'string' },
    objects: { type: 'string', default: '200000' },
    nodes: { type: 'string', default: '1' },
    bin: { type: 'string' },
    out: { type: 'string' },
    'peer-defaults': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const durationSeconds = numberWithin('--duration', values.duration.replace(/s$/, ''), { least: 1, most: DURATION_SECONDS_MAX })
const warmUp = values['warm-up']?.replace(/s$/, '')
const warmUpSeconds =
  warmUp === undefined ? undefined : numberWithin('--warm-up', warmUp, { least: 0, most: DURATION_SECONDS_MAX })
const objects = numberWithin('--objects', values.objects, { least: 1, most: OBJECTS_MAX })
if (values.nodes !== '1' && values.nodes !== '3') stop('--nodes takes 1 or 3.')
const nodes = Number(values.nodes)
const contestants = nodes === 1 ? CONTESTANTS : CLUSTER_CONTESTANTS
const all = workloads({ objects, nodes })
if (values.help) {
  console.log(help())
  process.exit(0)
}
if (process.platform !== 'linux') stop('Memory and processor time are read from /proc, which only Linux has.')
const matched = !values['peer-defaults']
const chosen = pick('--workload', values.workload, all)
const wanted = pick('--only', values.only, contestants)
const out = resolve(values.out ?? join(CACHE, 'results', `${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.md`))

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))
process.on('exit', killServers)

const bin = values.bin === undefined ? undefined : resolve(values.bin)
const generators = {
  warp: generator('warp', (workload) => 'warp' in workload),
  wrk: generator('wrk', (workload) => 'wrk' in workload),
}
// From in there nothing could be installed.
if (nodes > 1 && process.getuid?.() === 0 && !isInOwnNetwork()) {
  for (const contestant of wanted) programsOf(contestant)
  process.exit(runInOwnNetwork())
}
const json = `${out.replace(/\.md$/, '')}.json`
const report = await compare()
console.log(`${toMarkdown(report, chosen)}\nWritten to ${out} and ${json}`)
if (report.runs.length === 0 || report.runs.some(({ result }) => 'failed' in result)) process.exitCode = 1

interface Ready {
  readonly contestant: Contestant
  readonly programs: ServerPrograms
  readonly report: ContestantReport
}

function save(state: Report): void {
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, toMarkdown(state, chosen))
  writeFileSync(json, `${JSON.stringify(state, undefined, 2)}\n`)
}

/** All servers take their turn at one workload before the next: a disk that changes its pace then does so for all of them. */
async function compare(): Promise<Report> {
  const skipped: { name: string; reason: string }[] = []
  const ready: Ready[] = []
  for (const contestant of wanted) {
    const programs = programsOf(contestant)
    if ('missing' in programs) {
      skipped.push({ name: contestant.name, reason: programs.missing })
      console.error(`${contestant.name} is left out: ${programs.missing}`)
      continue
    }
    const { name, durability } = contestant
    const chosenDurability = matched ? 'matched' : 'byDefault'
    const row: ContestantReport = {
      name,
      version: programs.server.version,
      durability: durability[chosenDurability],
      durabilityByDefault: durability.byDefault,
      flushes: durability.flushes[chosenDurability],
      command: '',
    }
    ready.push({ contestant, programs, report: row })
  }
  const runs: Report['runs'][number][] = []
  const state: Report = {
    startedAt: new Date().toISOString(),
    machine: machine(),
    generators: [generators.warp, generators.wrk].flatMap((each) => (each === undefined ? [] : [each.version])),
    durationSeconds,
    contestants: ready.map((each) => each.report),
    skipped,
    runs,
  }
  for (const workload of chosen) {
    for (const each of ready) {
      const result = await measure(each, workload)
      runs.push({ workload: workload.name, contestant: each.contestant.name, result })
      console.error(`${workload.name} ${each.contestant.name}: ${summaryOf(result)}`)
      // What was measured stays when the rest is interrupted.
      save(state)
    }
  }
  return state
}

async function measure(
  { contestant, programs, report: row }: Ready,
  workload: Workload,
): Promise<RunResult | { failed: string }> {
  const paths = { path: programs.server.path, administratorPath: programs.administrator?.path }
  try {
    const server = await startServer((folder, ports) => contestant.cook({ ...paths, folder, ports, matched }))
    row.command = server.command
    try {
      const times = { durationSeconds, warmUpSeconds: warmUpSeconds ?? workload.warmUpSeconds }
      if ('wrk' in workload) return await runWrkLoad({ wrk: generators.wrk?.path ?? '', server, workload, ...times })
      return await runWarp({ warp: generators.warp?.path ?? '', server, workload, ...times })
    } finally {
      await server.stop()
    }
  } catch (error) {
    return { failed: (error as Error).message }
  }
}

function summaryOf(result: RunResult | { failed: string }): string {
  if ('failed' in result) return `failed: ${result.failed}`
  const rates = result.measures.map(({ measure: name, operationsPerSecond, objectsPerSecond, bytesPerSecond }) => {
    const mebibytes = (bytesPerSecond / 1024 ** 2).toFixed(1)
    return `${name} ${operationsPerSecond.toFixed(0)} operations/s, ${objectsPerSecond.toFixed(0)} objects/s, ${mebibytes} MiB/s`
  })
  return rates.join('; ')
}

/** If one of the workloads needs it. */
function generator(name: 'warp' | 'wrk', isNeededBy: (workload: Workload) => boolean): Program | undefined {
  if (!chosen.some(isNeededBy)) return undefined
  const program = findProgram(name, bin)
  if ('missing' in program) stop(`There is nothing to load them with, ${name}: ${program.missing}`)
  return program
}

function programsOf({ program, administrator }: Contestant): ServerPrograms | { readonly missing: string } {
  if (program === undefined)
    return { server: { path: process.execPath, version: `this checkout, Node ${process.versions.node}` } }
  return findServer({ program, administrator }, bin)
}

function machine(): string {
  const [first] = cpus()
  return `${cpus().length} cores (${first?.model ?? 'unknown'}), ${Math.round(totalmem() / 1024 ** 3)} GiB, Linux ${release()}`
}

function numberWithin(option: string, text: string, { least, most }: { least: number; most: number }): number {
  const value = Number(text)
  if (text === '' || !Number.isInteger(value) || value < least || value > most)
    stop(`${option} takes a number from ${least} to ${most}, not "${text}".`)
  return value
}

function pick<T extends { readonly name: string }>(option: string, list: string | undefined, from: readonly T[]): readonly T[] {
  const names = list?.split(',')
  const unknown = names?.find((name) => !from.some((each) => each.name === name))
  if (unknown !== undefined) stop(`${option}: there is no "${unknown}". There are: ${from.map(({ name }) => name).join(', ')}.`)
  return from.filter(({ name }) => names?.includes(name) ?? true)
}

function stop(message: string): never {
  console.error(message)
  process.exit(2)
}

function help(): string {
  return [
    'npm run bench:peers -- [OPTIONS]: Shoal and other S3 servers under the same load, on this machine only',
    '',
    `  --only NAMES        some of ${contestants.map(({ name }) => name).join(',')}`,
    `  --workload NAMES    some of ${all.map(({ name }) => name).join(',')}`,
    `  --duration 10s      of each run, ${DURATION_SECONDS_MAX}s at most`,
    `  --warm-up 0s        before what counts, ${DURATION_SECONDS_MAX}s at most; 10s of wrk unless told`,
    '  --objects 200000    for the listing',
    '  --nodes 1           or 3: a cluster of each, all its nodes on this machine, in which what is acknowledged survives the loss of one',
    '  --bin DIR           where warp, minio, mc, weed, versitygw and garage are',
    '  --out FILE          the table; the figures go beside it, as .json',
    '  --peer-defaults     peers as they come, instead of set to flush what they acknowledge',
    '',
    `Programs are looked for in DIR, in ${join(CACHE, 'bin')} and on the PATH, and else installed there`,
    'with go install and cargo install. One that cannot be had is left out.',
    'As root, three nodes run in a network of their own, which three nodes of MinIO need in a container.',
  ].join('\n')
}
