import type { ShoalClient } from '#client/shoal-client.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { baseName, formatRemote, joinPath, parseRemote } from '../location.ts'
import type { RemoteLocation } from '../location.ts'
import { usageError } from '../usage-error.ts'

export const mv: Command = {
  usage: ['SOURCE TARGET', 'SOURCE... DIRECTORY'],
  description: [
    'Sources and target are in one volume; a move is one step, whatever it moves. Into a directory that exists, a source keeps its name.',
  ],
  options: [
    { name: 'no-replace', short: 'n', description: 'refuse if the target exists' },
    { name: 'exchange', description: 'swap the source and the target, in one step' },
    { name: 'parents', short: 'p', description: 'make missing directories on the way to the target' },
  ],
  connects: true,
  operands: { min: 2, max: Infinity },
  examples: [
    { command: 'shoal mv docs:/draft.txt docs:/final.txt', explains: 'a new name' },
    { command: 'shoal mv docs:/a docs:/b docs:/archive/', explains: 'both into a directory' },
  ],
  async run({ operands, options, output, connect }) {
    if (options.has('exchange') && options.has('no-replace'))
      throw usageError('--exchange and --no-replace contradict each other')
    const locations = operands.map(parseRemote)
    const target = locations.pop() as RemoteLocation
    for (const source of locations) {
      if (source.volume !== target.volume) {
        throw usageError(`A move stays within a volume: from "${source.volume}" to "${target.volume}", use shoal cp and shoal rm`)
      }
      if (source.path === '') throw usageError(`"${source.volume}:/" is the volume itself, which can't be moved`)
    }
    const client = connect()
    const into = !options.has('exchange') && (await isDirectory(client, target))
    if (!into && locations.length > 1)
      throw usageError(`"${formatRemote(target)}" is not a directory that several sources could move into`)
    const mode = options.has('exchange') ? 'exchange' : options.has('no-replace') ? 'no-replace' : 'replace'
    for (const { volume, path } of locations) {
      const to = into ? joinPath(target.path, baseName(path)) : target.path
      const entry = await client.move(volume, path, { to, mode, ...(options.has('parents') ? { parents: true } : {}) })
      if (output.json) await output.value(entry)
    }
    return EXIT.ok
  },
}

async function isDirectory(client: ShoalClient, { volume, path, directory }: RemoteLocation): Promise<boolean> {
  const entry = await client.findEntry(volume, path)
  return entry === undefined ? directory : entry.type === 'directory'
}
