import { CLASS_OPTIONS, classSettings, showClass } from '../class-settings.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { usageError } from '../usage-error.ts'

export const classCreate: Command = {
  usage: ['NAME --copies N'],
  description: [
    'A class says how many copies chunks have, and when a write is acknowledged. Volumes name one: shoal volume create --class NAME.',
    'A class may ask for more nodes or zones than there are: chunks have as many copies as can be until others join. A write that gets fewer than the rule asks for is refused.',
  ],
  options: CLASS_OPTIONS,
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [
    { command: 'shoal class create archive --copies 3 --ack quorum --zones 2', explains: 'three copies, not all in one zone' },
  ],
  async run({ operands, options, output, connect }) {
    const settings = classSettings(options)
    if (settings.copies === undefined)
      throw usageError('shoal class create needs to know how many copies there shall be: --copies N')
    await showClass(output, await connect().classes.create(operands[0] as string, settings))
    return EXIT.ok
  },
}
