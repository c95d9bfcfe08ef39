import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'

export const volumeDelete: Command = {
  usage: ['NAME...'],
  options: [{ name: 'force', short: 'f', description: 'delete a volume with everything in it' }],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [
    { command: 'shoal volume delete docs', explains: 'refused while something is in it' },
    { command: 'shoal volume delete --force docs', explains: 'everything in it is gone, at once' },
  ],
  async run({ operands, options, output, connect }) {
    const client = connect()
    for (const name of operands) {
      await client.deleteVolume(name, { force: options.has('force') })
      await (output.json ? output.value({ name, deleted: true }) : output.line(`Deleted volume ${name}`))
    }
    return EXIT.ok
  },
}
