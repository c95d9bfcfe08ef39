import { stateOf } from '../class-settings.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { columns } from '../output.ts'

export const classList: Command = {
  usage: [''],
  options: [],
  connects: true,
  operands: { min: 0, max: 0 },
  examples: [{ command: 'shoal class list', explains: 'what each class asks for, and whether it gets it' }],
  async run({ output, connect }) {
    const classes = await connect().classes.list()
    if (output.json) {
      for (const each of classes) await output.value(each)
      return EXIT.ok
    }
    const rows = classes.map((each) => [
      each.name,
      String(each.copies),
      each.ack,
      String(each.zones),
      String(each.nodes),
      stateOf(each),
    ])
    for (const line of columns([['CLASS', 'COPIES', 'ACK', 'ZONES', 'NODES', 'STATE'], ...rows], '<><>><'))
      await output.line(line)
    return EXIT.ok
  },
}
