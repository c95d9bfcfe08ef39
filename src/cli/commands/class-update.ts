import { CLASS_OPTIONS, classSettings, showClass } from '../class-settings.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { usageError } from '../usage-error.ts'

export const classUpdate: Command = {
  usage: ['NAME'],
  description: ['What is not named stays as it is. New chunks are written by the new rule at once; those that are there follow.'],
  options: CLASS_OPTIONS,
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [{ command: 'shoal class update default --copies 2', explains: 'two copies, however many nodes join' }],
  async run({ operands, options, output, connect }) {
    const settings = classSettings(options)
    if (Object.keys(settings).length === 0)
      throw usageError('shoal class update changes nothing without an option; see shoal class update --help')
    await showClass(output, await connect().classes.update(operands[0] as string, settings))
    return EXIT.ok
  },
}
