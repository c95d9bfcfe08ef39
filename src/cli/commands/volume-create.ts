import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { parseMode } from '../file-mode.ts'
import { parseOwner } from '../owner.ts'
import { usageError } from '../usage-error.ts'
import { VOLUME_OPTIONS, volumeSettings } from '../volume-settings.ts'

export const volumeCreate: Command = {
  usage: ['NAME'],
  description: ['Names have 3 to 63 characters: a to z, digits, "-" and "."; the first and the last is a letter or a digit.'],
  options: [
    ...VOLUME_OPTIONS,
    {
      name: 'owner',
      value: 'USER[:GROUP]',
      description: 'whose the root is in mounts: numbers, or names of this machine',
      fallback: '0:0',
    },
    { name: 'mode', value: 'MODE', description: 'permissions of the root in mounts, octal', fallback: '0755' },
  ],
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [
    { command: 'shoal volume create docs', explains: 'a volume with the defaults' },
    { command: 'shoal volume create media --chunk-size 16MiB --quota-bytes 2TiB', explains: 'larger chunks, and a limit' },
    { command: 'shoal volume create home --owner ann:', explains: 'ann may write to it when she mounts it' },
  ],
  async run({ operands, options, output, connect }) {
    const [owner, mode] = [options.text('owner'), options.text('mode')]
    const root = {
      ...(owner === undefined ? {} : await parseOwner(owner, '--owner')),
      ...(mode === undefined ? {} : { mode: parseMode(mode, '--mode') }),
    }
    if (Object.keys(root).length > 0 && options.text('consistency') === 'eventual')
      throw usageError('The root of an eventual volume has no owner and no mode: make a directory in it, and use shoal chown')
    const client = connect()
    const volume = await client.createVolume(operands[0] as string, volumeSettings(options))
    if (Object.keys(root).length > 0) await client.setAttributes(volume.name, '', root)
    void (output.json ? output.value(volume) : output.line(`Created volume ${volume.name}`))
    return EXIT.ok
  },
}
