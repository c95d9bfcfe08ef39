import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { findNode } from '../find-node.ts'
import { usageError } from '../usage-error.ts'

export const nodeWeight: Command = {
  usage: ['NODE WEIGHT'],
  description: [
    'How much of the chunks it is to get, in comparison with others of its capacity: 1 is usual, 0 nothing, else 0.001 to 1000.',
  ],
  options: [],
  connects: true,
  operands: { min: 2, max: 2 },
  examples: [{ command: 'shoal node weight c0a8012e 0.5', explains: 'half as many as another of its size' }],
  async run({ operands, output, connect }) {
    const [named, text] = operands as [string, string]
    const weight = Number(text)
    if (text.trim() === '' || !(weight === 0 || (weight >= 0.001 && weight <= 1000)))
      throw usageError(`"${text}" is no weight: 0, or 0.001 to 1000 is expected`)
    const client = connect()
    const { id } = await findNode(client, named)
    const node = await client.cluster.setWeight(id, weight)
    await (output.json ? output.value(node) : output.line(`Node ${id} has the weight ${node.weight}`))
    return EXIT.ok
  },
}
