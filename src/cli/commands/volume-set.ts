import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { usageError } from '../usage-error.ts'
import { showVolume, VOLUME_OPTIONS, volumeSettings } from '../volume-settings.ts'

export const volumeSet: Command = {
  usage: ['NAME'],
  description: ['What is not named stays as it is. The consistency of a volume is chosen when it is made.'],
  options: VOLUME_OPTIONS.filter(({ name }) => name !== 'consistency'),
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [
    { command: 'shoal volume set docs --quota-files 1000000', explains: 'at most a million files' },
    { command: 'shoal volume set docs --quota-files none', explains: 'as many as the disk holds' },
  ],
  async run({ operands, options, output, connect }) {
    const settings = volumeSettings(options)
    if (Object.keys(settings).length === 0)
      throw usageError('shoal volume set changes nothing without an option; see shoal volume set --help')
    await showVolume(output, await connect().updateVolume(operands[0] as string, settings))
    return EXIT.ok
  },
}
