import { resolve } from 'node:path'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { humanSize, plural } from '../units.ts'

export const backup: Command = {
  usage: ['DIR'],
  description: [
    'Copies the metadata of one moment and all chunks that it refers to, from whichever nodes have them, while the cluster goes on. What the folder has already from earlier backups is not copied again; after an interruption the same command goes on.',
    'The folder is made, or is empty, or has backups: one with other files is refused. Two backups into one folder are made one after the other.',
    'Eventual volumes are not in it: they are named, and are to be copied with shoal cp.',
    'The folder holds the keys of the cluster too: keep it as secret as a data folder. Into one that is called "verify": ./verify.',
  ],
  options: [],
  connects: true,
  operands: { min: 1, max: 1 },
  examples: [{ command: 'shoal backup /backup/shoal', explains: 'another moment, and the chunks that are new' }],
  async run({ operands, output, connect, signal }) {
    const { takeBackup } = await import('#node/take-backup.ts')
    const folder = resolve(operands[0] as string)
    const client = connect()
    const taken = await takeBackup({ folder, source: client.backup, signal })
    const { volumes } = await client.listVolumes()
    const leftOut = volumes.filter(({ consistency }) => consistency === 'eventual').map(({ name }) => name)
    const { moment, chunks, copiedChunks, copiedBytes } = taken
    const copied = `${plural(copiedChunks, 'chunk')} copied, ${humanSize(copiedBytes)}`
    await (output.json
      ? output.value({ ...taken, leftOut })
      : output.line(`Backup ${moment}: ${plural(chunks, 'chunk')}, ${copied}`))
    if (leftOut.length > 0 && !output.json)
      output.note(`Eventual volumes are not in it: copy ${leftOut.map((name) => `${name}:/`).join(', ')} with shoal cp`)
    return EXIT.ok
  },
}
