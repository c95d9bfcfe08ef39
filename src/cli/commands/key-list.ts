import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { columns } from '../output.ts'
import { shortTime } from '../units.ts'

export const keyList: Command = {
  usage: [''],
  description: ['The root key, which is not kept with the others, is not among them.'],
  options: [],
  connects: true,
  operands: { min: 0, max: 0 },
  examples: [{ command: 'shoal key list', explains: 'key, principal, state, and the age of the secret' }],
  async run({ output, connect }) {
    const keys = await connect().keys.list()
    if (output.json) for (const key of keys) await output.value(key)
    else if (keys.length === 0) output.note('There are no access keys beside the root key. Make one with: shoal key create')
    else {
      const rows = keys.map(({ accessKey, principal, enabled, rotated, description }) => [
        accessKey,
        principal,
        enabled ? 'enabled' : 'disabled',
        shortTime(rotated),
        output.name(description),
      ])
      const header = ['KEY', 'PRINCIPAL', 'STATE', 'SECRET OF', 'DESCRIPTION']
      for (const line of columns([header, ...rows], '<<<<<')) await output.line(line)
    }
    return EXIT.ok
  },
}
