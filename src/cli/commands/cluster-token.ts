import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { plural, shortTime } from '../units.ts'

const MINUTE_MS = 60_000
const LIFE_MS_MAX = 30 * 86_400_000

export const clusterToken: Command = {
  usage: [''],
  description: [
    'The token is the last line that is printed, and is shown this once. On another machine, shoal serve --join HOST:PORT --token TOKEN makes a node of this cluster with it; HOST:PORT is the port for nodes of this node, 7402 unless told otherwise.',
    'Whoever has the token can become a node of the cluster, with all its keys, until it is used up or runs out.',
  ],
  options: [
    { name: 'uses', value: 'N', description: 'how many nodes may join with it', fallback: '1' },
    { name: 'expires', value: 'DURATION', description: 'how long it can be used', fallback: '1d' },
  ],
  connects: true,
  operands: { min: 0, max: 0 },
  examples: [
    { command: 'shoal cluster token', explains: 'for one node, within a day' },
    { command: 'shoal cluster token --uses 5 --expires 1h', explains: 'for five nodes, within an hour' },
  ],
  async run({ options, output, connect }) {
    const uses = options.integer('uses', { fallback: 1, min: 1, max: 1000 })
    const lifeMs = options.durationMs('expires', { min: MINUTE_MS, max: LIFE_MS_MAX })
    const made = await connect().cluster.createToken({
      uses,
      ...(lifeMs === undefined ? {} : { lifeSeconds: Math.floor(lifeMs / 1000) }),
    })
    if (output.json) await output.value(made)
    else {
      output.note(`For ${plural(made.uses, 'node')}, until ${shortTime(made.expires)} UTC:`)
      await output.line(made.token)
    }
    return EXIT.ok
  },
}
