import type { RemoteDrain, RemoteNode } from '#client/wire.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { findNode } from '../find-node.ts'
import { clockDifference, nodeState } from '../node-state.ts'
import { columns } from '../output.ts'
import { humanDuration, humanSize, plural, shortTime } from '../units.ts'

export const nodeShow: Command = {
  usage: ['NODE'],
  description: [
    'Of a node that is draining also what is left of its chunks, whether they move, and what keeps the drain from its end.',
    'A node is named by its id, by the beginning of it, or by its host.',
  ],
  options: [],
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [{ command: 'shoal node show c0a8012e', explains: 'what the cluster knows of it' }],
  async run({ operands, output, connect }) {
    const client = connect()
    const node = await findNode(client, operands[0] as string)
    // Only the node that leads knows. One that is away may be meant to be drained, too.
    const drain = STEADY.has(node.state) ? undefined : await client.cluster.drainOf(node.id).catch(reasonOf)
    if (output.json) await output.value(drain === undefined || typeof drain === 'string' ? node : { ...node, drain })
    else for (const line of columns([...describe(node), ...describeDrain(drain)], '<<')) await output.line(line)
    return EXIT.ok
  },
}

/** States of nodes that aren't to be drained, or are drained already. */
const STEADY: ReadonlySet<string> = new Set(['alive', 'joining', 'readonly', 'drained'])

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

/** Nothing if the node isn't to be drained. @throws what is no answer of the cluster */
function reasonOf(error: unknown): string | undefined {
  if (isShoalError(error, 'CONFLICT')) return undefined
  if (isShoalError(error)) return error.message
  throw error
}

function describeDrain(drain: RemoteDrain | string | undefined): string[][] {
  if (drain === undefined) return []
  if (typeof drain === 'string') return [['Drain', `how far it is, is not known: ${drain}`]]
  const { chunks, bytes, left, hindrances } = drain
  const all = chunks === null || bytes === null ? 'not known' : `${plural(chunks, 'chunk')}, ${humanSize(bytes)}`
  const rest = left === null ? 'not known' : `${plural(left.chunks, 'chunk')}, ${humanSize(left.bytes)} of ${all}`
  return [['Left', rest], ['Moves', describeMoves(drain)], ...hindrances.map((text, at) => [at === 0 ? 'Held up' : '', text])]
}

function describeMoves({ activity, bytesPerSecond, secondsLeft }: RemoteDrain): string {
  if (activity !== 'running') return `no, the task is ${activity}`
  const time = secondsLeft === null ? '' : `, ${humanDuration(secondsLeft * 1_000)} left`
  return `yes, ${humanSize(bytesPerSecond)}/s copied and verified${time}`
}

function describeClock({ self, clockAheadMs }: RemoteNode): string {
  if (self) return 'of the node that answers'
  if (typeof clockAheadMs !== 'number') return 'not compared yet'
  return clockAheadMs === 0 ? 'shows the same time' : clockDifference(clockAheadMs)
}
