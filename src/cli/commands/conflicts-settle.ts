import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { formatRemote, parseRemote } from '../location.ts'

export const conflictsRestore: Command = {
  usage: ['VOLUME:/PATH VERSION'],
  description: ['What the path shows now is overwritten, and so are all other versions of it.'],
  options: [],
  connects: true,
  operands: { min: 2, max: 2 },
  examples: [
    {
      command: 'shoal conflicts restore shared:/plan.txt 0676e8d2a40000-9f8e7d6c5b4a39281706f5e4d3c2b1a0',
      explains: 'with the version that "shoal conflicts show" has named',
    },
  ],
  async run({ operands, output, connect }) {
    const { volume, path } = parseRemote(operands[0] as string)
    const entry = await connect().conflicts.restore(volume, path, operands[1] as string)
    await (output.json ? output.value(entry) : output.line(`Restored ${output.name(formatRemote({ volume, path }))}`))
    return EXIT.ok
  },
}

export const conflictsDrop: Command = {
  usage: ['VOLUME:/PATH VERSION...'],
  options: [],
  connects: true,
  operands: { min: 2, max: Infinity },
  examples: [
    {
      command: 'shoal conflicts drop shared:/plan.txt 0676e8d2a40000-9f8e7d6c5b4a39281706f5e4d3c2b1a0',
      explains: 'it is gone, on every node',
    },
  ],
  async run({ operands, output, connect }) {
    const [target, ...versions] = operands
    const { volume, path } = parseRemote(target as string)
    for (const version of versions) {
      await connect().conflicts.drop(volume, path, version)
      await (output.json ? output.value({ path, version, dropped: true }) : output.line(`Dropped ${version}`))
    }
    return EXIT.ok
  },
}
