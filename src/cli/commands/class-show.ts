import { showClass } from '../class-settings.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'

export const classShow: Command = {
  usage: ['NAME...'],
  options: [],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [{ command: 'shoal class show default', explains: 'what the class of most volumes asks for, and what it gets' }],
  async run({ operands, output, connect }) {
    const client = connect()
    for (const [index, name] of operands.entries()) {
      const found = await client.classes.show(name)
      if (index > 0 && !output.json) await output.line()
      await showClass(output, found)
    }
    return EXIT.ok
  },
}
