import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { VOLUME_OPTIONS, volumeSettings } from '../volume-settings.ts'

export const volumeCreate: Command = {
  usage: ['NAME'],
  description: ['Names have 3 to 63 characters: a to z, digits, "-" and "."; the first and the last is a letter or a digit.'],
  options: VOLUME_OPTIONS,
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [
    { command: 'shoal volume create docs', explains: 'a volume with the defaults' },
    { command: 'shoal volume create media --chunk-size 16MiB --quota-bytes 2TiB', explains: 'larger chunks, and a limit' },
  ],
  async run({ operands, options, output, connect }) {
    const volume = await connect().createVolume(operands[0] as string, volumeSettings(options))
    void (output.json ? output.value(volume) : output.line(`Created volume ${volume.name}`))
    return EXIT.ok
  },
}
