import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { printDecisions, printTracker } from '../print-tracker.ts'

export const trackerStatus: Command = {
  usage: [''],
  description: [
    'The tracker runs on the node that leads, and keeps chunks where they belong. Its tasks: repair (chunks that lack copies, those with the fewest first), drain (of nodes that are to go), rebalance (to a new layout), collect (what nothing refers to), scrub (every byte is read within its period), trim (copies that are one too many, last).',
  ],
  options: [{ name: 'decisions', description: 'also what was decided last' }],
  connects: true,
  operands: { min: 0, max: 0 },
  examples: [{ command: 'shoal tracker status', explains: 'each task, how far it is, and what it may use' }],
  async run({ options, output, connect }) {
    const tracker = await connect().tracker.status()
    await printTracker(output, tracker)
    if (options.has('decisions') && !output.json) await printDecisions(output, tracker)
    return EXIT.ok
  },
}
