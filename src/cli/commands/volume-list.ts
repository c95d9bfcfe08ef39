import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { columns } from '../output.ts'
import { humanSize, shortTime } from '../units.ts'

export const volumeList: Command = {
  usage: [''],
  options: [],
  connects: true,
  operands: { min: 0, max: 0 },
  examples: [{ command: 'shoal volume list', explains: 'name, size, number of files and age of each volume' }],
  async run({ output, connect }) {
    const { volumes, missing } = await connect().listVolumes()
    if (output.json) for (const volume of volumes) await output.value(volume)
    else if (volumes.length === 0 && missing === undefined)
      output.note('There are no volumes yet. Make one with: shoal volume create NAME')
    else {
      const rows = volumes.map(({ name, usage, consistency, created }) => [
        name,
        humanSize(usage.bytes),
        String(usage.files),
        consistency,
        shortTime(created),
      ])
      for (const line of columns([['NAME', 'SIZE', 'FILES', 'CONSISTENCY', 'CREATED'], ...rows], '<>><<')) await output.line(line)
    }
    if (missing !== undefined) output.note(`Volumes that are ${missing} are missing: the node that knows them can't be reached`)
    return EXIT.ok
  },
}
