import type { ShoalClient } from '#client/shoal-client.ts'
import { parseSize } from '#config/units.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { Random } from '#platform/random.ts'
import type { Clock } from '#platform/clock.ts'
import { TaskPool } from '../copy/task-pool.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { columns } from '../output.ts'
import { Progress } from '../progress.ts'
import { humanSize } from '../units.ts'
import { usageError } from '../usage-error.ts'

interface Workload {
  readonly client: ShoalClient
  readonly volume: string
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  readonly concurrency: number
}

/** One line of the result; times in milliseconds. */
interface Measurement {
  readonly test: string
  readonly operations: number
  readonly bytes: number
  readonly seconds: number
  readonly operationsPerSecond: number
  readonly bytesPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** The source of a large file's bytes is this block over and over, changed a little each time so that no two are alike. */
const BLOCK_BYTES = 1024 * 1024

export const bench: Command = {
  usage: [''],
  description: [
    'Writes to a volume of its own, which it makes and deletes again, and reads back. Each write counts once it is acknowledged, which means: once it is on disk.',
  ],
  options: [
    { name: 'count', short: 'n', value: 'N', description: 'small files', fallback: '5000' },
    { name: 'size', value: 'SIZE', description: 'of a small file', fallback: '1KiB' },
    { name: 'large', value: 'SIZE', description: 'of the large file; 0 leaves it out', fallback: '256MiB' },
    { name: 'concurrency', short: 'c', value: 'N', description: 'calls at once with small files', fallback: '64' },
    { name: 'quiet', short: 'q', description: 'no progress' },
  ],
  connects: true,
  operands: { min: 0, max: 0 },
  examples: [
    { command: 'shoal bench', explains: 'a table in some seconds' },
    { command: 'shoal bench -n 100000 --size 4KiB --json', explains: 'more of it, for a program' },
  ],
  async run({ options, io, output, clock, random, signal, connect }) {
    const count = options.integer('count', { fallback: 5_000, min: 1, max: 10_000_000 })
    const sizeBytes = options.sizeBytes('size') ?? 1024
    const largeBytes = options.sizeBytes('large') ?? (parseSize('256MiB') as number)
    if (sizeBytes > 1024 * 1024) throw usageError('--size is that of a small file, 1MiB at most')
    const concurrency = options.integer('concurrency', { fallback: 64, min: 1, max: 1_024 })
    const client = connect({ connections: concurrency })
    const volume = `bench-${random.bytes(6).toString('hex')}`
    const progress = new Progress({ io, clock, quiet: options.has('quiet') || output.json })
    progress.expect({ files: count * 2, bytes: count * 2 * sizeBytes + largeBytes * 2 })
    await client.createVolume(volume)
    progress.start()
    try {
      const load: Workload = { client, volume, clock, random, signal, concurrency }
      const results = [
        ...(await measureSmall(load, { count, sizeBytes, progress })),
        ...(await measureLarge(load, { largeBytes, progress })),
      ]
      progress.stop()
      if (output.json) for (const result of results) await output.value(result)
      else for (const line of table(results)) await output.line(line)
    } finally {
      progress.stop()
      await client.deleteVolume(volume, { force: true }).catch((error: unknown) => {
        if (!isShoalError(error, 'VOLUME_NOT_FOUND'))
          output.note(`shoal: The volume ${volume} is left behind; delete it with: shoal volume delete --force ${volume}`)
      })
    }
    return EXIT.ok
  },
}

async function measureSmall(
  load: Workload,
  { count, sizeBytes, progress }: { count: number; sizeBytes: number; progress: Progress },
): Promise<Measurement[]> {
  const { client, volume, random, signal } = load
  const content = random.bytes(sizeBytes)
  const name = (index: number) => `small/${Math.floor(index / 1000)}/${index}`
  const shown = humanSize(sizeBytes)
  const put = await measure(
    load,
    { test: `put ${shown} × ${load.concurrency}`, operations: count, bytesEach: sizeBytes, progress },
    async (index) => {
      const bytes = Buffer.from(content)
      bytes.write(index.toString(36))
      await client.writeSmallFile(volume, name(index), bytes, { signal })
    },
  )
  const get = await measure(
    load,
    { test: `get ${shown} × ${load.concurrency}`, operations: count, bytesEach: sizeBytes, progress },
    async (index) => {
      await client.readSmallFile(volume, name(index), { signal })
    },
  )
  return [put, get]
}

async function measureLarge(
  load: Workload,
  { largeBytes, progress }: { largeBytes: number; progress: Progress },
): Promise<Measurement[]> {
  if (largeBytes === 0) return []
  const { client, volume, random, signal } = load
  const block = random.bytes(BLOCK_BYTES)
  const source = {
    sizeBytes: largeBytes,
    async *read(offset: number, length: number) {
      for (let at = offset; at < offset + length; at += BLOCK_BYTES) {
        const bytes = Buffer.from(block)
        if (bytes.length >= 8) bytes.writeDoubleBE(at)
        yield bytes.subarray(0, Math.min(BLOCK_BYTES, offset + length - at))
      }
    },
  }
  const shown = humanSize(largeBytes)
  const one = { operations: 1, bytesEach: largeBytes, progress }
  const put = await measure(load, { test: `put ${shown}`, ...one }, async () => {
    await client.writeFile(volume, 'large', source, { signal })
  })
  const get = await measure(load, { test: `get ${shown}`, ...one }, async () => {
    const { body } = await client.openFile(volume, 'large', { signal })
    for await (const _ of body);
  })
  return [put, get]
}

interface Plan {
  readonly test: string
  readonly operations: number
  readonly bytesEach: number
  readonly progress: Progress
}

async function measure(
  { clock, concurrency, signal }: Workload,
  { test, operations, bytesEach, progress }: Plan,
  operate: (index: number) => Promise<void>,
): Promise<Measurement> {
  const pool = new TaskPool(concurrency)
  const latenciesMs = new Float64Array(operations)
  const failures: unknown[] = []
  const startMs = clock.monotonicMs()
  for (let index = 0; index < operations && failures.length === 0 && !signal.aborted; index += 1) {
    const started = pool.start(async () => {
      const beginMs = clock.monotonicMs()
      try {
        await operate(index)
        latenciesMs[index] = clock.monotonicMs() - beginMs
        progress.advance({ bytes: bytesEach, files: 1 })
      } catch (error) {
        failures.push(error)
      }
    })
    if (started !== undefined) await started
  }
  await pool.idle()
  if (failures.length > 0) throw failures[0]
  signal.throwIfAborted()
  const seconds = (clock.monotonicMs() - startMs) / 1000
  latenciesMs.sort()
  const quantile = (share: number) => round(latenciesMs[Math.min(operations - 1, Math.floor(operations * share))] as number)
  const bytes = operations * bytesEach
  const rates = { operationsPerSecond: round(operations / seconds), bytesPerSecond: Math.round(bytes / seconds) }
  return {
    test,
    operations,
    bytes,
    seconds: round(seconds),
    ...rates,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    maxMs: quantile(1),
  }
}

function table(results: readonly Measurement[]): string[] {
  const rows = results.map(({ test, seconds, operations, operationsPerSecond, bytesPerSecond, p50Ms, p99Ms, maxMs }) => {
    const latencies = operations === 1 ? ['', '', ''] : [p50Ms, p99Ms, maxMs].map((ms) => `${ms.toFixed(1)} ms`)
    const rate = operations === 1 ? '' : Math.round(operationsPerSecond).toLocaleString('en-US')
    return [test, `${seconds.toFixed(2)} s`, rate, `${humanSize(bytesPerSecond)}/s`, ...latencies]
  })
  return columns([['TEST', 'TIME', 'PER SECOND', 'THROUGHPUT', 'P50', 'P99', 'MAX'], ...rows], '<>>>>>>')
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
