import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'

export const clusterRotateKey: Command = {
  usage: [''],
  description: [
    'What nodes tell each other about who runs is encrypted with this key. All nodes that run get the new one before it is used; those that are away get it when they come back. If one does not answer, nothing is lost: rotate again once it does, or once it counts as dead.',
  ],
  options: [],
  connects: true,
  operands: { min: 0, max: 0 },
  examples: [{ command: 'shoal cluster rotate-key', explains: 'once a year, or when somebody may have seen the key' }],
  async run({ output, connect }) {
    await connect().cluster.rotateKey()
    await (output.json ? output.value({ rotated: true }) : output.line('All nodes that run have a new gossip key'))
    return EXIT.ok
  },
}
