import { changeAttributes } from '../change-attributes.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { parseMode } from '../file-mode.ts'

export const chmod: Command = {
  usage: ['MODE VOLUME:/PATH...'],
  description: ['Modes are octal. Symbolic links have none of their own, and stay.'],
  options: [{ name: 'recursive', short: 'R', description: 'and all that is in a directory' }],
  connects: true,
  operands: { min: 2, max: Infinity },
  examples: [
    { command: 'shoal chmod 1777 docs:/', explains: 'everybody makes files in the root, in mounts, and removes his own' },
  ],
  async run(invocation) {
    const [text, ...operands] = invocation.operands as [string, ...string[]]
    const mode = parseMode(text, 'MODE')
    await changeAttributes(invocation, operands, ({ type }) => (type === 'symlink' ? undefined : { mode }))
    return EXIT.ok
  },
}
