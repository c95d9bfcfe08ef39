import type { RemoteNode } from '#client/wire.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { findNode } from '../find-node.ts'
import { clockDifference, nodeState } from '../node-state.ts'
import { columns } from '../output.ts'
import { humanSize, shortTime } from '../units.ts'

export const nodeShow: Command = {
  usage: ['NODE'],
  description: ['A node is named by its id, by the beginning of it, or by its host.'],
  options: [],
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [{ command: 'shoal node show c0a8012e', explains: 'what the cluster knows of it' }],
  async run({ operands, output, connect }) {
    const node = await findNode(connect(), operands[0] as string)
    if (output.json) await output.value(node)
    else for (const line of columns(describe(node), '<<')) await output.line(line)
    return EXIT.ok
  },
}

function describe(node: RemoteNode): string[][] {
  return [
    ['Node', node.id],
    ['State', `${nodeState(node)} since ${shortTime(node.since)} UTC`],
    ['Address', `${node.host}, nodes ${node.nodePort}, REST ${node.restPort}, S3 ${node.s3Port}`],
    ['Roles', node.roles.join(', ')],
    ['Zone', node.zone],
    ['Weight', String(node.weight)],
    ['Clock', describeClock(node)],
    ['Space', `${humanSize(node.usedBytes)} of ${humanSize(node.capacityBytes)} used`],
    ['Version', node.version],
    ['Leads', node.home ? 'yes' : 'no'],
  ]
}

function describeClock({ self, clockAheadMs }: RemoteNode): string {
  if (self) return 'of the node that answers'
  if (typeof clockAheadMs !== 'number') return 'not compared yet'
  return clockAheadMs === 0 ? 'shows the same time' : clockDifference(clockAheadMs)
}
