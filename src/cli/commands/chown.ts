import { changeAttributes } from '../change-attributes.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { parseOwner } from '../owner.ts'

export const chown: Command = {
  usage: ['OWNER VOLUME:/PATH...', 'OWNER:GROUP VOLUME:/PATH...', ':GROUP VOLUME:/PATH...'],
  description: [
    'Who owns what only matters in mounts, where the kernel checks modes and owners; a key may do what its policy says. Users and groups are numbers, or names of this machine; "ann:" has the group of ann. Symbolic links change themselves.',
  ],
  options: [{ name: 'recursive', short: 'R', description: 'and all that is in a directory' }],
  connects: true,
  operands: { min: 2, max: Infinity },
  examples: [
    { command: 'shoal chown ann: docs:/', explains: 'the volume is for ann and the group of ann, in mounts' },
    { command: 'shoal chown -R 1000:1000 docs:/home/ann', explains: 'a directory with all that is in it' },
  ],
  async run(invocation) {
    const [owner, ...operands] = invocation.operands as [string, ...string[]]
    const attributes = await parseOwner(owner, 'OWNER')
    await changeAttributes(invocation, operands, () => attributes)
    return EXIT.ok
  },
}
