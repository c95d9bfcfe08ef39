import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { checkTask, printTracker } from '../print-tracker.ts'

export const trackerPause: Command = {
  usage: ['[TASK]'],
  description: ['When the command has ended nothing of the task begins any more, also after another node has begun to lead.'],
  options: [],
  connects: true,
  operands: { min: 0, max: 1 },
  examples: [
    { command: 'shoal tracker pause', explains: 'all tasks' },
    { command: 'shoal tracker pause scrub', explains: 'one; the others go on' },
  ],
  async run({ operands, output, connect }) {
    await printTracker(output, await connect().tracker.pause(checkTask(operands[0])))
    return EXIT.ok
  },
}

export const trackerResume: Command = {
  usage: ['[TASK]'],
  options: [],
  connects: true,
  operands: { min: 0, max: 1 },
  examples: [{ command: 'shoal tracker resume', explains: 'each goes on where it was' }],
  async run({ operands, output, connect }) {
    await printTracker(output, await connect().tracker.resume(checkTask(operands[0])))
    return EXIT.ok
  },
}
