import type { RemoteEntry } from '#client/wire.ts'
import type { Command, Invocation } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { baseName, parseRemote } from '../location.ts'
import type { RemoteLocation } from '../location.ts'
import { modeText, shortSize, shortTime } from '../units.ts'
import { volumeList } from './volume-list.ts'

export const ls: Command = {
  usage: ['[VOLUME:/PATH...]'],
  description: ['Without a path: the volumes. Entries come in the byte order of their names, directories with a "/" at the end.'],
  options: [
    { name: 'long', short: 'l', description: 'mode, links, owner, group, size and time of each entry; the time is UTC' },
    { name: 'recursive', short: 'R', description: 'all that is below, with paths' },
    { name: 'human', short: 'h', description: 'sizes as 1.5K, 20M, 3.1G' },
  ],
  connects: true,
  operands: { min: 0, max: Infinity },
  examples: [
    { command: 'shoal ls docs:/', explains: 'what is in the root of the volume docs' },
    { command: 'shoal ls -lh docs:/src', explains: 'with modes, sizes and times' },
    { command: 'shoal ls -R --json docs:/ | jq -r .path', explains: 'every path of the volume, for a program' },
  ],
  async run(invocation) {
    const { operands, output, signal } = invocation
    if (operands.length === 0) return volumeList.run(invocation)
    const client = invocation.connect()
    const printer = new EntryPrinter(invocation)
    const locations = operands.map(parseRemote)
    for (const [index, location] of locations.entries()) {
      const { volume, path } = location
      const entry = await client.getEntry(volume, path, { signal })
      if (entry.type !== 'directory') {
        await printer.print(entry, baseName(path))
        continue
      }
      if (locations.length > 1 && !output.json) await output.line(`${index > 0 ? '\n' : ''}${volume}:/${output.name(path)}:`)
      await printList({
        location,
        printer,
        entries: client.list(volume, path, { recursive: invocation.options.has('recursive'), signal }),
      })
    }
    return EXIT.ok
  },
}

async function printList({
  location,
  printer,
  entries,
}: {
  location: RemoteLocation
  printer: EntryPrinter
  entries: AsyncIterable<RemoteEntry>
}): Promise<void> {
  const skip = location.path === '' ? 0 : location.path.length + 1
  for await (const entry of entries) {
    const printed = printer.print(entry, entry.path.slice(skip))
    if (printed !== undefined) await printed
  }
}

/** Prints entries one at a time: columns have fixed widths, so that a listing of any length streams. */
class EntryPrinter {
  readonly #output: Invocation['output']
  readonly #long: boolean
  readonly #human: boolean

  constructor({ output, options }: Invocation) {
    this.#output = output
    this.#long = options.has('long')
    this.#human = options.has('human')
  }

  print(entry: RemoteEntry, shown: string): Promise<void> | undefined {
    if (this.#output.json) return this.#output.value(entry)
    const name = this.#output.name(shown) + (entry.type === 'directory' ? '/' : '')
    if (!this.#long) return this.#output.line(name)
    const size = this.#human ? shortSize(entry.size).padStart(6) : String(entry.size).padStart(12)
    const owner = `${String(entry.uid).padStart(5)} ${String(entry.gid).padStart(5)}`
    return this.#output.line(
      `${modeText(entry.type, entry.mode)} ${String(entry.links).padStart(3)} ${owner} ${size} ${shortTime(entry.mtime)} ${name}`,
    )
  }
}
