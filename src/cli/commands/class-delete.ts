import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'

export const classDelete: Command = {
  usage: ['NAME...'],
  description: ['A class that a volume has stays; give the volume another one first: shoal volume set VOLUME --class NAME.'],
  options: [],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [{ command: 'shoal class delete archive', explains: 'gone, if no volume has it' }],
  async run({ operands, output, connect }) {
    const client = connect()
    for (const name of operands) {
      await client.classes.remove(name)
      await (output.json ? output.value({ name, deleted: true }) : output.line(`Deleted class ${name}`))
    }
    return EXIT.ok
  },
}
