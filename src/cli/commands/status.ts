import type { EventualStatus, MetadataStatus, NodeStatus } from '#client/wire.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { clockDifference } from '../node-state.ts'
import { columns } from '../output.ts'
import { humanDuration, humanSize, plural } from '../units.ts'

export const status: Command = {
  usage: [''],
  options: [],
  connects: true,
  operands: { min: 0, max: 0 },
  examples: [{ command: 'shoal status', explains: 'state, age, space and contents of the node' }],
  async run({ output, connect, signal }) {
    const client = connect()
    const answer = await client.status({ signal })
    if (output.json) await output.value(answer)
    else for (const line of columns(describe(answer, client.endpoint), '<<')) await output.line(line)
    return EXIT.ok
  },
}

function describe({ usage, ...node }: NodeStatus, endpoint: string): string[][] {
  const { chunks } = node
  const used = chunks.capacityBytes > 0 ? Math.round((1 - chunks.freeBytes / chunks.capacityBytes) * 100) : 0
  return [
    ['Node', `${node.nodeId} at ${endpoint}, version ${node.version}`],
    ['State', `${node.state} for ${humanDuration(node.uptimeSeconds * 1000)}`],
    ['Contents', describeContents(node, usage)],
    [
      'Chunks',
      `${plural(chunks.chunks, 'chunk')}, ${humanSize(chunks.liveBytes)} live, ${humanSize(chunks.storedBytes)} on disk`,
    ],
    ['Disk', `${humanSize(chunks.freeBytes)} of ${humanSize(chunks.capacityBytes)} free (${used}% used)`],
    ['Garbage', `${plural(node.garbage.chunks, 'chunk')}${node.garbage.hasMore ? ' and more' : ''}`],
    ['Uploads', `${plural(node.uploads, 'session')} open`],
    ['Metadata', ...describeMetadata(node.metadata)],
    ...(node.clocks === undefined || node.clocks.length === 0 ? [] : [['Clocks', describeClocks(node.clocks)]]),
    ...(node.eventual === undefined || node.eventual.volumes === 0 ? [] : [['Eventual', describeEventual(node.eventual)]]),
  ]
}

function describeContents({ nodeId, volumes, metadata }: Omit<NodeStatus, 'usage'>, usage: NodeStatus['usage']): string {
  const { mode, leader = nodeId, stale = false } = metadata
  if (isWithoutStrong(metadata)) return 'eventual volumes alone'
  if (mode === 'home' && leader !== nodeId) return `known to ${leader} alone`
  const known = `${humanSize(usage.bytes)} in ${plural(usage.files, 'entry', 'entries')} of ${plural(volumes, 'volume')}`
  return stale ? `${known}, when this node last heard of it` : known
}

/** Their home was removed from the cluster. */
function isWithoutStrong({ mode, leader }: MetadataStatus): boolean {
  return mode === 'home' && leader === undefined
}

function describeMetadata(metadata: MetadataStatus): string[] {
  const { mode, leader = 'nobody at the moment', position = 0, members = [], problem } = metadata
  if (isWithoutStrong(metadata)) return ['lost with the node that had it, which was removed']
  if (mode === 'home') return [`on one node, ${leader}`]
  const voters = members.filter(({ role }) => role === 'voter')
  const answering = voters.filter(({ healthy }) => healthy).length
  const managed =
    voters.length === 0
      ? `etcd does not answer${problem === undefined ? '' : `: ${problem}`}`
      : `${answering} of ${plural(voters.length, 'voter')} of etcd answer${problem === undefined ? '' : `, but ${problem}`}`
  const own = problem === undefined ? 'an etcd of yours' : `an etcd of yours, which does not do what it is asked: ${problem}`
  const etcd = mode === 'external' ? own : managed
  return [`led by ${leader}, ${plural(position, 'entry', 'entries')} in the log, ${etcd}`]
}

function describeClocks(clocks: NonNullable<NodeStatus['clocks']>): string {
  const differing = clocks.map(({ nodeId, aheadMs }) => `${nodeId} is ${clockDifference(aheadMs)}`)
  return `${differing.join(', ')}: is NTP at work on all of them?`
}

function describeEventual(status: EventualStatus): string {
  const { volumes, rumours, conflicts, removals, oldestDifferenceSeconds } = status
  const apart =
    oldestDifferenceSeconds === undefined
      ? 'not compared with every node yet'
      : `has what was written ${humanDuration(oldestDifferenceSeconds * 1_000)} ago`
  const kept = `${plural(conflicts, 'conflict')}, ${plural(removals, 'removal')} remembered`
  return `${plural(volumes, 'volume')}, ${apart}, ${describeExchanges(status)}${rumours} news to tell, ${kept}`
}

/** When everything was compared last with the one of the others with which that is longest ago. */
function describeExchanges({ members, lastExchanges }: EventualStatus): string {
  const times = Object.values(lastExchanges).map((time) => Date.parse(time))
  if (members < 2) return ''
  const others = plural(members - 1, 'other')
  if (times.length < members - 1) return `compared with ${times.length} of ${others} so far, `
  return `compared with each of ${others} since ${new Date(Math.min(...times)).toISOString()}, `
}
