import type { ClusterCalls } from '#client/cluster-calls.ts'
import type { RemoteNode } from '#client/wire.ts'
import type { Command, Invocation } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { findNode } from '../find-node.ts'

const shared = {
  usage: ['NODE...'],
  options: [],
  connects: true,
  operands: { min: 1, max: Infinity },
} as const

export const nodeDrain: Command = {
  ...shared,
  description: [
    'Its chunks go to other nodes, and it gets no new ones. It goes on serving requests, and holds what it has until others have it. shoal node activate takes it back.',
  ],
  examples: [{ command: 'shoal node drain c0a8012e', explains: 'before the node is removed' }],
  run: (invocation) => decide(invocation, 'draining', (cluster, id) => cluster.drain(id)),
}

export const nodeReadonly: Command = {
  ...shared,
  description: ['It keeps the chunks that it has, and gets no new ones. shoal node activate takes it back.'],
  examples: [{ command: 'shoal node readonly c0a8012e', explains: 'while its disk is looked at' }],
  run: (invocation) => decide(invocation, 'readonly', (cluster, id) => cluster.makeReadonly(id)),
}

export const nodeActivate: Command = {
  ...shared,
  examples: [{ command: 'shoal node activate c0a8012e', explains: 'it gets chunks again' }],
  run: (invocation) => decide(invocation, 'active', (cluster, id) => cluster.activate(id)),
}

/** They hide what was decided, and don't keep it from holding. */
const DOWN: ReadonlySet<string> = new Set(['suspect', 'dead', 'left'])

async function decide(
  { operands, output, connect }: Invocation,
  decided: string,
  call: (cluster: ClusterCalls, id: string) => Promise<RemoteNode>,
): Promise<number> {
  const client = connect()
  for (const named of operands) {
    const { id } = await findNode(client, named)
    const node = await call(client.cluster, id)
    const state = DOWN.has(node.state) ? `${decided} from now on, and ${node.state} at the moment` : node.state
    await (output.json ? output.value(node) : output.line(`Node ${id} is ${state}`))
  }
  return EXIT.ok
}
