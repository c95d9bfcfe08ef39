import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { showVolume } from '../volume-settings.ts'

export const volumeShow: Command = {
  usage: ['NAME...'],
  options: [],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [{ command: 'shoal volume show docs', explains: 'policy, quotas and usage' }],
  async run({ operands, output, connect }) {
    const client = connect()
    for (const [index, name] of operands.entries()) {
      const volume = await client.getVolume(name.replace(/:\/?$/, ''))
      if (index > 0 && !output.json) await output.line()
      await showVolume(output, volume)
    }
    return EXIT.ok
  },
}
