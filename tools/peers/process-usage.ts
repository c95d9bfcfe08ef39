// What a group of processes takes, from Linux' /proc: sampled while it works, told afterwards for any stretch of the time.

import { readFileSync, readdirSync } from 'node:fs'

/** Ticks a second of the times in /proc/PID/stat: USER_HZ is 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4_096
const SAMPLE_MS = 100
// Members come and go seldom: to look through all of /proc costs more than to read theirs.
const MEMBERS_EVERY = 10

export interface ProcessStat {
  readonly parent: number
  readonly group: number
  readonly cpuSeconds: number
  readonly rssBytes: number
}

/** Of a line of /proc/PID/stat (proc(5)). The name of the process, in brackets, may contain anything, brackets too. */
export function parseStat(line: string): ProcessStat {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  // fields[0] is the third of the manual, the state.
  const field = (number: number): number => Number(fields[number - 3])
  return {
    parent: field(4),
    group: field(5),
    cpuSeconds: (field(14) + field(15)) / TICKS_PER_SECOND,
    rssBytes: field(24) * PAGE_BYTES,
  }
}

interface Sample {
  readonly atMs: number
  readonly cpuSeconds: number
  /** Of the whole machine. */
  readonly allCpuSeconds: number
  readonly rssBytes: number
}

export class ProcessUsage {
  readonly #group: number
  readonly #samples: Sample[] = []
  /** Of each process that was ever seen, so that those that have ended count on. */
  readonly #cpuSeconds = new Map<number, number>()
  #members: readonly number[] = []
  #timer: NodeJS.Timeout | undefined

  /** Of the process group `group`, the id of the process that leads it, and of all that its members have started. */
  constructor(group: number) {
    this.#group = group
  }

  start(): void {
    this.#sample()
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#sample()
  }

  /** Seconds of processor time from `fromMs` to `toMs` (of the wall clock), between samples in proportion. */
  cpuSecondsBetween(fromMs: number, toMs: number): number {
    return this.#between(fromMs, toMs, ({ cpuSeconds }) => cpuSeconds)
  }

  /** The same of the whole machine, whoever used it. */
  allCpuSecondsBetween(fromMs: number, toMs: number): number {
    return this.#between(fromMs, toMs, ({ allCpuSeconds }) => allCpuSeconds)
  }

  /** The most that was resident at once, all members added up: what they share counts for each. */
  peakRssBytes(): number {
    return this.#samples.reduce((peak, { rssBytes }) => Math.max(peak, rssBytes), 0)
  }

  #between(fromMs: number, toMs: number, of: (sample: Sample) => number): number {
    return this.#valueAt(toMs, of) - this.#valueAt(fromMs, of)
  }

  #valueAt(atMs: number, of: (sample: Sample) => number): number {
    const index = this.#samples.findIndex((sample) => sample.atMs >= atMs)
    const after = this.#samples.at(index)
    const before = this.#samples[index - 1]
    if (after === undefined) return 0
    if (index === -1 || before === undefined) return of(after)
    const share = (atMs - before.atMs) / (after.atMs - before.atMs)
    return of(before) + share * (of(after) - of(before))
  }

  #sample(): void {
    if (this.#samples.length % MEMBERS_EVERY === 0) this.#members = membersOf(this.#group)
    let rssBytes = 0
    for (const pid of this.#members) {
      const stat = readStat(pid)
      if (stat === undefined) continue
      this.#cpuSeconds.set(pid, stat.cpuSeconds)
      rssBytes += stat.rssBytes
    }
    const cpuSeconds = [...this.#cpuSeconds.values()].reduce((sum, seconds) => sum + seconds, 0)
    this.#samples.push({ atMs: Date.now(), cpuSeconds, allCpuSeconds: machineCpuSeconds(), rssBytes })
  }
}

/** Since the machine started, of all cores: all but idle time and waiting for the disk (proc(5)). */
function machineCpuSeconds(): number {
  const [first = ''] = readFileSync('/proc/stat', 'latin1').split('\n', 1)
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, softInterrupts = 0] = first.trim().split(/\s+/).slice(1).map(Number)
  return (user + nice + system + interrupts + softInterrupts) / TICKS_PER_SECOND
}

/** The processes of `group`, and their children, also those that have a group of their own. */
export function membersOf(group: number): number[] {
  const stats = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), stat: readStat(Number(name)) }))
  const members = new Set(stats.filter(({ stat }) => stat?.group === group).map(({ pid }) => pid))
  for (let before = 0; before < members.size;) {
    before = members.size
    for (const { pid, stat } of stats) if (stat !== undefined && members.has(stat.parent)) members.add(pid)
  }
  return [...members]
}

function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return undefined
  }
}
