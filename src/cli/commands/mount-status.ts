import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { columns } from '../output.ts'

export const mountStatus: Command = {
  usage: [''],
  description: [
    'A mount is dead when the program that served it was killed: "shoal unmount DIR" clears it away, and mounting again too. To mount a volume that is called "status", write "status:".',
  ],
  options: [],
  connects: false,
  operands: { min: 0, max: 0 },
  examples: [{ command: 'shoal mount status', explains: 'volume, directory and state of each' }],
  async run({ output }) {
    const { NodeFuseMounts } = await import('#platform/node-fuse-mounts.ts')
    const rows: string[][] = []
    for (const { directory, source, state } of await new NodeFuseMounts().list('fuse.shoal')) {
      const volume = source.replace(/^shoal:/, '')
      if (output.json) await output.value({ volume, directory, state })
      else rows.push([volume, output.name(directory), state])
    }
    if (rows.length > 0) for (const line of columns([['VOLUME', 'DIRECTORY', 'STATE'], ...rows], '<<<')) await output.line(line)
    return EXIT.ok
  },
}
