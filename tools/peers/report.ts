// The table: who did what, how it was asked, and how far Shoal is ahead of the best peer.

import type { RunResult } from './run-result.ts'
import type { Measure, Workload } from './workloads.ts'

export interface ContestantReport {
  readonly name: string
  readonly version: string
  readonly durability: string
  readonly durabilityByDefault: string
  /** Whether what it acknowledged was on the disk, as it was set. */
  readonly flushes: boolean
  /** How it was started, the last time. */
  command: string
}

export interface Report {
  readonly startedAt: string
  readonly machine: string
  readonly generators: readonly string[]
  readonly durationSeconds: number
  readonly contestants: readonly ContestantReport[]
  readonly skipped: readonly { readonly name: string; readonly reason: string }[]
  readonly runs: readonly {
    readonly workload: string
    readonly contestant: string
    readonly result: RunResult | { failed: string }
  }[]
}

/** Shoal may take as much more memory than the leanest peer. */
const RSS_MARGIN_BYTES = 150_000_000
const SHOAL = 'shoal'

export function toMarkdown(report: Report, workloads: readonly Workload[]): string {
  const lines = [
    `Taken on ${report.startedAt.slice(0, 16).replace('T', ' ')} UTC with ${report.generators.join(' and ')}, ${report.durationSeconds} s a run, on ${report.machine}.`,
    '',
    '| server | version | acknowledged means, as set here | as it comes |',
    '|---|---|---|---|',
    ...report.contestants.map((each) => `| ${each.name} | ${each.version} | ${each.durability} | ${each.durabilityByDefault} |`),
    ...report.skipped.map((each) => `| ${each.name} | not measured | ${each.reason} | |`),
  ]
  const begun = workloads.filter(({ name }) => report.runs.some((run) => run.workload === name))
  for (const workload of begun) lines.push(...section(report, workload))
  lines.push('', '## How they were started', '', '```sh')
  for (const { name, command } of report.contestants) lines.push(`# ${name}`, command)
  lines.push('```')
  return `${lines.join('\n')}\n`
}

function section(report: Report, workload: Workload): string[] {
  const runs = report.runs.filter((run) => run.workload === workload.name)
  const done = runs.flatMap(({ contestant, result }) => ('failed' in result ? [] : [{ contestant, result }]))
  const failed = runs.flatMap(({ contestant, result }) => ('failed' in result ? [`${contestant}: ${result.failed}`] : []))
  const lines = ['', `## ${workload.title}`, '']
  const command = done[0]?.result.command
  if (command !== undefined) lines.push('```sh', command, '```', '')
  for (const [index, measure] of workload.measures.entries()) {
    lines.push(...table(measure, index, done), '', verdict(report, measure, { index, done }), '')
  }
  lines.push(memoryVerdict(done))
  for (const each of failed) lines.push('', `Failed: ${each}`)
  return lines
}

type Done = readonly { readonly contestant: string; readonly result: RunResult }[]

function table(measure: Measure, index: number, done: Done): string[] {
  const of = measure.latencyOf === undefined ? '' : ` of ${measure.latencyOf}`
  return [
    `| ${measure.name} | throughput | p50${of} | p99${of} | errors | peak RSS | CPU s a GiB | CPU s a 1,000 operations | client's cores | others' cores |`,
    '|---|---|---|---|---|---|---|---|---|---|',
    ...done.map(({ contestant, result }) => {
      const row = result.measures[index]
      const cells = [
        rate(measure, throughput(result, index, measure)),
        row === undefined ? '–' : milliseconds(row.medianMs),
        row === undefined ? '–' : milliseconds(row.p99Ms),
        `${row?.errors ?? '–'}`,
        megabytes(result.peakRssBytes),
        // Of 1 KiB objects it says nothing that the next column doesn't.
        measure.unit !== 'bytes' || row?.cpuSecondsPerGiB === undefined ? '–' : row.cpuSecondsPerGiB.toFixed(2),
        row === undefined ? '–' : row.cpuSecondsPerThousand.toPrecision(3),
        row === undefined ? '–' : row.generatorCores.toFixed(2),
        row === undefined ? '–' : row.otherCores.toFixed(2),
      ]
      return `| ${contestant} | ${cells.join(' | ')} |`
    }),
  ]
}

function throughput(result: RunResult, index: number, { unit }: Measure): number {
  const row = result.measures[index]
  if (row === undefined) return 0
  return { operations: row.operationsPerSecond, objects: row.objectsPerSecond, bytes: row.bytesPerSecond }[unit]
}

/** Against the best peer that flushes what it acknowledges, which is what counts, and the best of the others. */
function verdict(report: Report, measure: Measure, results: { index: number; done: Done }): string {
  const rates = results.done.map(({ contestant, result }) => ({
    contestant,
    flushes: report.contestants.find(({ name }) => name === contestant)?.flushes ?? true,
    rate: throughput(result, results.index, measure),
  }))
  const shoal = rates.find(({ contestant }) => contestant === SHOAL)
  const peers = rates.filter(({ contestant }) => contestant !== SHOAL).toSorted((a, b) => b.rate - a.rate)
  const against = [peers.find(({ flushes }) => flushes), peers.find(({ flushes }) => !flushes)].filter(
    (peer) => peer !== undefined,
  )
  if (shoal === undefined || against.length === 0) return 'Nothing to compare.'
  const sentences = against.map(({ contestant, flushes, rate: peerRate }) => {
    const factor = shoal.rate / peerRate
    const reached = factor >= measure.toReach ? 'reached' : 'missed'
    const whom = flushes ? `the best peer that flushes (${contestant})` : `the best that doesn't (${contestant})`
    return `**${factor.toFixed(2)} ×** ${whom}, ${reached}`
  })
  return `Shoal, to reach ${measure.toReach} ×: ${sentences.join('; ')}.`
}

function memoryVerdict(done: Done): string {
  const shoal = done.find(({ contestant }) => contestant === SHOAL)
  const leanest = done
    .filter(({ contestant }) => contestant !== SHOAL)
    .toSorted((a, b) => a.result.peakRssBytes - b.result.peakRssBytes)[0]
  if (shoal === undefined || leanest === undefined) return 'Memory: nothing to compare.'
  const more = shoal.result.peakRssBytes - leanest.result.peakRssBytes
  const reached = more <= RSS_MARGIN_BYTES ? 'reached' : 'missed'
  const difference = `${megabytes(Math.abs(more))} ${more < 0 ? 'less' : 'more'}`
  return `Memory: Shoal takes ${difference} than the leanest (${leanest.contestant}); to reach: at most ${megabytes(RSS_MARGIN_BYTES)} more: ${reached}.`
}

function rate({ unit }: Measure, perSecond: number): string {
  if (unit === 'bytes') return `${(perSecond / 1024 ** 2).toFixed(0)} MiB/s`
  return `${Math.round(perSecond).toLocaleString('en')}/s`
}

function milliseconds(value: number): string {
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ms`
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1_000_000)} MB`
}
