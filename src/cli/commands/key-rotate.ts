import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { printSecret } from '../print-secret.ts'

export const keyRotate: Command = {
  usage: ['KEY'],
  description: [
    'The secret before is refused at once. For a change without a gap make a second key, move the programs to it, and remove the first.',
  ],
  options: [],
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [{ command: 'shoal key rotate K3XAMPLE', explains: 'the same key with another secret' }],
  async run({ operands, output, connect }) {
    await printSecret(output, await connect().keys.rotate(operands[0] as string))
    return EXIT.ok
  },
}
