import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { parseRemote } from '../location.ts'
import { usageError } from '../usage-error.ts'

export const cat: Command = {
  usage: ['VOLUME:/PATH...'],
  options: [
    { name: 'offset', value: 'BYTES', description: 'start here', fallback: '0' },
    { name: 'length', value: 'BYTES', description: 'print at most so much', fallback: 'to the end' },
  ],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [
    { command: 'shoal cat docs:/notes.txt', explains: 'the file on stdout' },
    { command: 'shoal cat --offset 1MiB --length 64KiB docs:/disk.img | xxd', explains: 'a range of it' },
  ],
  async run({ operands, options, output, connect, signal }) {
    if (output.json)
      throw usageError('shoal cat prints the bytes of files, and has no JSON form; shoal stat --json describes them')
    const offset = options.sizeBytes('offset') ?? 0
    const length = options.sizeBytes('length')
    const client = connect()
    for (const operand of operands) {
      const { volume, path } = parseRemote(operand)
      if (length === 0) continue
      const range = offset === 0 && length === undefined ? {} : { range: { offset, ...(length === undefined ? {} : { length }) } }
      const { body } = await client.openFile(volume, path, { ...range, signal })
      for await (const chunk of body) await output.bytes(chunk)
    }
    return EXIT.ok
  },
}
