import { resolve } from 'node:path'
import type { Command, Invocation } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { usageError } from '../usage-error.ts'
import { shoalVersion } from '../version.ts'

export const clusterRecover: Command = {
  usage: ['--data DIR [--lead|--follow]'],
  description: [
    'For a cluster whose etcd has lost its majority for good, on the data folder of a stopped node. Alone it says how much of the log this node has, with what its etcd has beyond that, and changes nothing else.',
    '--lead makes the copy of this node the metadata of the cluster: choose the node with the greatest entry. What was acknowledged and is on none of the nodes that are left is lost. --follow lets any other node fetch the metadata from that one at its next start.',
    'Make sure before that the nodes that are lost are off and stay off, and that no node runs. What is replaced is put aside in the data folder.',
  ],
  options: [
    { name: 'data', value: 'DIR', description: 'the data folder of this node, which is not running' },
    { name: 'lead', description: 'go on with what this node has' },
    { name: 'follow', description: 'go on with what another node has' },
  ],
  connects: false,
  operands: { min: 0, max: 0 },
  examples: [
    { command: 'shoal cluster recover --data .shoal', explains: 'how much this node has' },
    { command: 'shoal cluster recover --data .shoal --lead', explains: 'on the node that has most' },
    { command: 'shoal cluster recover --data .shoal --follow', explains: 'on all others, before they are started' },
  ],
  async run(invocation) {
    const { options, output } = invocation
    const data = options.text('data')
    if (data === undefined) throw usageError('Say which: --data names the data folder of a node that is not running')
    const { recoverCluster } = await import('#node/recover-cluster.ts')
    const how = chosen(invocation)
    const { nodeId, log, entry, aside } = await recoverCluster({ dataPath: resolve(data), how, version: shoalVersion() })
    if (output.json) await output.value({ nodeId, log, entry, how, aside })
    else {
      await output.line(`Node ${nodeId} has everything up to entry ${entry} of log ${log}`)
      if (aside.length > 0) await output.line(`Put aside: ${aside.join(', ')}`)
      await output.line(NEXT[how])
    }
    return EXIT.ok
  },
}

const NEXT = {
  look: 'Use --lead on the node with the greatest entry, and --follow on all others',
  lead: 'Its next start begins a new log with that: start it before the others',
  follow: 'Its next start fetches the metadata from the node that leads',
}

function chosen({ options }: Invocation): keyof typeof NEXT {
  if (options.has('lead') && options.has('follow')) throw usageError('--lead and --follow exclude each other')
  return options.has('lead') ? 'lead' : options.has('follow') ? 'follow' : 'look'
}
