import { ShoalError } from '#foundation/errors.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { realDirectory } from '../real-directory.ts'

export const unmount: Command = {
  usage: ['DIR...'],
  options: [
    {
      name: 'lazy',
      description:
        'take the directory away at once, and serve those who still use it until they are done; also clears a dead mount away',
    },
  ],
  connects: false,
  operands: { min: 1, max: Infinity },
  examples: [{ command: 'shoal unmount /mnt/docs', explains: 'if no program uses it' }],
  async run({ operands, options, output }) {
    const { NodeFuseMounts } = await import('#platform/node-fuse-mounts.ts')
    const mounts = new NodeFuseMounts()
    for (const operand of operands) {
      const directory = await realDirectory(operand)
      const there = await mounts.inspect(directory)
      if (there.state === 'free' || there.type !== 'fuse.shoal')
        throw new ShoalError('NOT_FOUND', `No volume is mounted at "${directory}"`)
      await mounts.unmount(directory, { lazy: options.has('lazy') || there.state === 'dead' })
      const facts = { directory, source: there.source }
      await (output.json ? output.value(facts) : output.line(`Unmounted ${output.name(directory)}`))
    }
    return EXIT.ok
  },
}
