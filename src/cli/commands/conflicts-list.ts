import type { RemoteVersion } from '#client/wire.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { formatRemote, parseRemote } from '../location.ts'
import { columns } from '../output.ts'
import { humanSize, shortTime } from '../units.ts'

const HEADER = ['VERSION', 'SIZE', 'WRITTEN', 'NODE', '']

export const conflictsList: Command = {
  usage: ['VOLUME:/[PATH]'],
  description: ['Of two writes that did not know of each other the later one is shown, and the other one is kept as a conflict.'],
  options: [],
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [
    { command: 'shoal conflicts list shared:/', explains: 'paths with versions that lost' },
    { command: 'shoal conflicts list shared:/reports', explains: 'those that begin so' },
  ],
  async run({ operands, output, connect }) {
    const { volume, path } = parseRemote(operands[0] as string)
    let found = false
    for await (const conflict of connect().conflicts.list(volume, path)) {
      found = true
      if (output.json) {
        await output.value(conflict)
        continue
      }
      await output.line(output.name(formatRemote({ volume, path: conflict.path })))
      for (const line of columns(conflict.versions.map(describe), '<><<<')) await output.line(`  ${line}`)
    }
    if (!found && !output.json) output.note('There are no conflicts.')
    return EXIT.ok
  },
}

export const conflictsShow: Command = {
  usage: ['VOLUME:/PATH'],
  description: ['The version that is shown comes first. Removals are versions, too.'],
  options: [],
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [{ command: 'shoal conflicts show shared:/plan.txt', explains: 'every version of one file' }],
  async run({ operands, output, connect }) {
    const { volume, path } = parseRemote(operands[0] as string)
    const conflict = await connect().conflicts.show(volume, path)
    if (output.json) await output.value(conflict)
    else for (const line of columns([HEADER, ...conflict.versions.map(describe)], '<><<<')) await output.line(line)
    return EXIT.ok
  },
}

function describe({ id, size = 0, time, node, removed }: RemoteVersion, at: number): string[] {
  return [id, removed ? 'removed' : humanSize(size), shortTime(time), node.slice(0, 8), at === 0 ? 'shown' : 'lost']
}
