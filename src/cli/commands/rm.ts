import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { formatRemote, parseRemote } from '../location.ts'
import { usageError } from '../usage-error.ts'

export const rm: Command = {
  usage: ['VOLUME:/PATH...'],
  options: [
    { name: 'recursive', short: 'r', description: 'remove directories with all that is in them' },
    { name: 'force', short: 'f', description: 'no error if there is nothing by that name' },
  ],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [
    { command: 'shoal rm docs:/notes.txt', explains: 'one file' },
    { command: 'shoal rm -r docs:/old', explains: 'a directory with all that is in it' },
  ],
  async run({ operands, options, output, connect, signal }) {
    const client = connect()
    const recursive = options.has('recursive')
    for (const operand of operands) {
      const { volume, path } = parseRemote(operand)
      if (path === '') throw usageError(`"${volume}:/" is the volume itself: use shoal volume delete --force ${volume}`)
      try {
        if (!recursive) await refuseDirectory(() => client.getEntry(volume, path, { signal }), formatRemote({ volume, path }))
        await client.remove(volume, path, { recursive, signal })
        if (output.json) await output.value({ volume, path, removed: true })
      } catch (error) {
        if (!options.has('force') || !isShoalError(error, 'NOT_FOUND')) throw error
        if (output.json) await output.value({ volume, path, removed: false })
      }
    }
    return EXIT.ok
  },
}

/** As POSIX' rm: a directory goes only when it is asked for. */
async function refuseDirectory(look: () => Promise<{ type: string }>, shown: string): Promise<void> {
  if ((await look()).type === 'directory') {
    throw new ShoalError('IS_A_DIRECTORY', `"${shown}" is a directory: use rm -r to remove it with all that is in it`)
  }
}
