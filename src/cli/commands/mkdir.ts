import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { parseMode } from '../file-mode.ts'
import { formatRemote, parseRemote } from '../location.ts'

export const mkdir: Command = {
  usage: ['VOLUME:/PATH...'],
  options: [
    { name: 'parents', short: 'p', description: 'make missing directories on the way; no error if it exists' },
    { name: 'mode', short: 'm', value: 'MODE', description: 'permissions, octal', fallback: '0755' },
  ],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [{ command: 'shoal mkdir -p docs:/2026/reports', explains: 'and 2026, if it is missing' }],
  async run({ operands, options, output, connect }) {
    const text = options.text('mode')
    const settings = text === undefined ? {} : { mode: parseMode(text, '--mode') }
    const client = connect()
    for (const operand of operands) {
      const { volume, path } = parseRemote(operand)
      const entry = await client.makeDirectory(volume, path, { parents: options.has('parents'), ...settings })
      await (output.json ? output.value(entry) : output.line(`Made ${output.name(formatRemote({ volume, path }))}`))
    }
    return EXIT.ok
  },
}
