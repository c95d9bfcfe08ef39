import type { TrackerBudget } from '#client/wire.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import type { OptionValues } from '../option-values.ts'
import { checkTask, printTracker } from '../print-tracker.ts'
import { usageError } from '../usage-error.ts'

export const trackerRun: Command = {
  usage: ['TASK'],
  description: [
    'Begins to go through all chunks, unless that is under way. Limits that are given hold from now on, for this and every later time; of a limit that is not given beside others there is none.',
  ],
  options: [
    { name: 'dry-run', description: 'only count what would be done, beside what is being done' },
    { name: 'bytes-per-second', value: 'SIZE', description: 'copy and read no more than that' },
    { name: 'ops-per-second', value: 'N', description: 'call nodes no more often' },
    { name: 'share', value: 'PERCENT', description: 'do anything in this part of the time only' },
  ],
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [
    { command: 'shoal tracker run trim --dry-run', explains: 'how many copies are one too many' },
    { command: 'shoal tracker run rebalance --bytes-per-second 50MiB', explains: 'gently' },
  ],
  async run({ operands, options, output, connect }) {
    const task = checkTask(operands[0]) as string
    const budget = readBudget(options)
    const tracker = await connect().tracker.run(task, {
      dryRun: options.has('dry-run'),
      ...(budget === undefined ? {} : { budget }),
    })
    await printTracker(output, tracker)
    return EXIT.ok
  },
}

function readBudget(options: OptionValues): TrackerBudget | undefined {
  const bytesPerSecond = options.sizeBytes('bytes-per-second')
  if (bytesPerSecond === 0) throw usageError('--bytes-per-second is 0: with "shoal tracker pause" a task stops')
  const ops = options.integer('ops-per-second', { fallback: 0, min: 1, max: 1_000_000 })
  const percent = options.integer('share', { fallback: 0, min: 1, max: 100 })
  if (bytesPerSecond === undefined && ops === 0 && percent === 0) return undefined
  return {
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(ops === 0 ? {} : { opsPerSecond: ops }),
    ...(percent === 0 ? {} : { share: percent / 100 }),
  }
}
