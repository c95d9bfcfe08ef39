import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { findNode } from '../find-node.ts'

export const nodeRemove: Command = {
  usage: ['NODE...'],
  description: [
    'For a node that is gone for good, or that is drained. If it runs, it stops; its id never comes back. The machine can join again with an empty data folder. The node that leads can not be removed: one that is stopped, or is to go, is removed by another.',
    'One that runs and is not drained is refused: "shoal node drain" first, or --force, with which the copies that it has are lost.',
    'Without --cluster and --etcd one node has all strong volumes. If that one is lost for good, and they with it, --lost says so at any other node: eventual volumes go on without it, forget removals again, and give back the space of what was overwritten.',
    'A node is named by its id, by the beginning of it, or by its host.',
  ],
  options: [
    { name: 'lost', description: 'the node that has all strong volumes is lost for good, and they with it' },
    { name: 'force', description: 'also if it runs and is not drained' },
  ],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [{ command: 'shoal node remove c0a8012e', explains: 'refused from now on' }],
  async run({ operands, options, output, connect }) {
    const client = connect()
    for (const named of operands) {
      const { id } = await findNode(client, named)
      await client.cluster.remove(id, { lost: options.has('lost'), force: options.has('force') })
      await (output.json ? output.value({ id, removed: true }) : output.line(`Removed node ${id}`))
    }
    return EXIT.ok
  },
}
