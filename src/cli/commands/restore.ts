import { resolve } from 'node:path'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { usageError } from '../usage-error.ts'
import { humanSize, plural } from '../units.ts'
import { shoalVersion } from '../version.ts'

export const restore: Command = {
  usage: ['DIR --data NEW'],
  description: [
    'The data folder is that of a node which is a cluster of its own, with all volumes, access keys and classes of the backup. Start it, with --cluster if there shall be others, and let those join with empty folders: they get their copies then.',
    'Each chunk is compared with its digest. After an interruption the same command goes on.',
  ],
  options: [
    { name: 'data', value: 'DIR', description: 'the data folder to make, which must not be there yet' },
    {
      name: 'moment',
      value: 'NAME',
      description: 'which backup of the folder: the name that was printed when it was made',
      fallback: 'the newest',
    },
  ],
  connects: false,
  operands: { min: 1, max: 1 },
  examples: [
    {
      command: 'shoal restore /backup/shoal --data .shoal',
      explains: 'the newest; shoal serve --cluster begins a new cluster with it',
    },
  ],
  async run({ operands, options, output, signal }) {
    const data = options.text('data')
    if (data === undefined) throw usageError('Say where to: --data names a data folder that is to be made')
    const { restoreBackup } = await import('#node/restore-backup.ts')
    const restored = await restoreBackup({
      folder: resolve(operands[0] as string),
      moment: options.text('moment'),
      dataPath: resolve(data),
      version: shoalVersion(),
      signal,
    })
    const { moment, dataPath, chunks, bytes } = restored
    const what = `${plural(chunks, 'chunk')}, ${humanSize(bytes)}`
    await (output.json ? output.value(restored) : output.line(`Restored ${moment} to ${dataPath}: ${what}`))
    return EXIT.ok
  },
}
