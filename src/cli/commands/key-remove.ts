import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'

export const keyRemove: Command = {
  usage: ['KEY...'],
  options: [],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [{ command: 'shoal key remove K3XAMPLE', explains: 'gone for good' }],
  async run({ operands, output, connect }) {
    const client = connect()
    for (const accessKey of operands) {
      await client.keys.remove(accessKey)
      await (output.json ? output.value({ accessKey, removed: true }) : output.line(`Removed access key ${accessKey}`))
    }
    return EXIT.ok
  },
}
