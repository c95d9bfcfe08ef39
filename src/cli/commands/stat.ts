import type { RemoteEntry } from '#client/wire.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { formatRemote, parseRemote } from '../location.ts'
import { columns } from '../output.ts'
import { humanSize, modeText } from '../units.ts'

export const stat: Command = {
  usage: ['VOLUME:/PATH...'],
  description: ['A symbolic link is described itself, not what it points to. Times are UTC.'],
  options: [{ name: 'locations', description: 'also where the contents of a file are kept' }],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [
    { command: 'shoal stat docs:/notes.txt', explains: 'type, size, mode, owner, times, digest' },
    { command: 'shoal stat --json --locations docs:/disk.img', explains: 'with its chunks and their nodes, for a program' },
  ],
  async run({ operands, options, output, connect, signal }) {
    const client = connect()
    for (const [index, operand] of operands.entries()) {
      const { volume, path } = parseRemote(operand)
      const entry = await client.getEntry(volume, path, { xattrs: true, signal })
      const wanted = options.has('locations') && entry.type === 'file'
      const extents = wanted ? (await client.locate(volume, path)).extents : undefined
      if (output.json) {
        await output.value(extents === undefined ? entry : { ...entry, extents })
        continue
      }
      if (index > 0) await output.line()
      const rows = describe(entry, output.name(formatRemote({ volume, path })))
      for (const extent of extents ?? []) {
        const kept =
          extent.chunk === undefined
            ? extent.kind
            : `chunk ${extent.chunk.slice(0, 16)}… ${extent.state}: ${placesText(extent.copies ?? [])}`
        rows.push(['Extent', `${extent.offset} + ${extent.length}: ${kept}`])
      }
      for (const line of columns(rows, '<<')) await output.line(line)
    }
    return EXIT.ok
  },
}

function placesText(copies: readonly { readonly node: string; readonly state: string }[]): string {
  if (copies.length === 0) return 'nowhere'
  return copies.map(({ node, state }) => (state === 'stored' ? `on ${node}` : `on ${node} (${state})`)).join(', ')
}

function describe(entry: RemoteEntry, shown: string): string[][] {
  const rows = [
    ['Path', shown + (entry.target === undefined ? '' : ` -> ${entry.target}`)],
    ['Type', entry.type],
    ['Size', entry.size < 1024 ? `${entry.size} B` : `${entry.size} B (${humanSize(entry.size)})`],
    ['Mode', `${entry.mode} (${modeText(entry.type, entry.mode)})`],
    ['Owner', `${entry.uid}:${entry.gid}`],
    ['Links', String(entry.links)],
    ['Inode', String(entry.inode)],
    ['Modified', entry.mtime],
    ['Accessed', entry.atime],
    ['Changed', entry.ctime],
    ['Born', entry.btime],
    ['ETag', entry.etag],
  ]
  if (entry.sha256 !== undefined) rows.push(['SHA-256', entry.sha256])
  for (const [name, value] of Object.entries(entry.xattrs ?? {})) rows.push([`Xattr ${name}`, `${value} (base64)`])
  return rows
}
