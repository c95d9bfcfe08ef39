import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { nodeState } from '../node-state.ts'
import { columns } from '../output.ts'
import { humanSize } from '../units.ts'

export const nodeList: Command = {
  usage: [''],
  description: [
    'As the node that answers knows them. A node that died or left is listed for a day. One leads: the volumes are served from it.',
  ],
  options: [],
  connects: true,
  operands: { min: 0, max: 0 },
  examples: [{ command: 'shoal node list', explains: 'id, state, address, zone and space of each' }],
  async run({ output, connect }) {
    const nodes = await connect().cluster.nodes()
    if (output.json) for (const node of nodes) await output.value(node)
    else {
      const rows = nodes.map((node) => [
        node.id,
        nodeState(node),
        `${node.host.includes(':') ? `[${node.host}]` : node.host}:${node.nodePort}`,
        node.zone,
        `${humanSize(node.usedBytes)} of ${humanSize(node.capacityBytes)}`,
        node.version,
        [...(node.home ? ['leads'] : []), ...(node.self ? ['answers'] : [])].join(', '),
      ])
      for (const line of columns([['NODE', 'STATE', 'ADDRESS', 'ZONE', 'USED', 'VERSION', ''], ...rows], '<<<<>><'))
        await output.line(line)
    }
    return EXIT.ok
  },
}
