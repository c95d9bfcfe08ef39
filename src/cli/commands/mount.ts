import { once } from 'node:events'
import { resolve } from 'node:path'
import { isShoalError } from '#foundation/errors.ts'
import type { VolumeMount } from '#mount/start-volume-mount.ts'
import type { Log } from '#observe/log.ts'
import type { Command, Invocation } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { usageError } from '../usage-error.ts'

const VOLUME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

export const mount: Command = {
  usage: ['VOLUME DIR'],
  description: [
    'Stays until the directory is unmounted ("shoal unmount DIR", or umount) or it is interrupted. Interrupted while programs still use it, it takes the directory away at once and serves those programs until they are done; a second interrupt ends it.',
    'Written through: close and fsync answer when the node has the bytes. Changes that others make show within a second, or when a file is opened. Locks hold among the programs of this machine. Needs Linux with /dev/fuse, and for users other than root the program fusermount3.',
  ],
  options: [
    {
      name: 'allow-other',
      description: 'let other users in as well, as modes and owners say; root alone may, or whom /etc/fuse.conf lets',
    },
    { name: 'read-only', description: 'refuse all changes' },
  ],
  connects: true,
  operands: { min: 2, max: 2 },
  examples: [{ command: 'shoal mount docs /mnt/docs', explains: 'the volume docs as a directory' }],
  async run(invocation) {
    const { operands, options, output, clock, random, signal, connect } = invocation
    const [name, folder] = operands as readonly [string, string]
    const volume = name.replace(/:\/?$/, '')
    if (!VOLUME.test(volume)) throw usageError(`"${name}" is no volume's name: write it like docs`)
    const directory = resolve(folder)
    // The C library is for this command alone.
    const [{ startVolumeMount }, { NodeFuseMounts }] = await Promise.all([
      import('#mount/start-volume-mount.ts'),
      import('#platform/node-fuse-mounts.ts'),
    ])
    const mounted = await startVolumeMount({
      client: connect(),
      volume,
      directory,
      allowOther: options.has('allow-other'),
      readOnly: options.has('read-only'),
      mounts: new NodeFuseMounts(),
      clock,
      random,
      log: await openLog(invocation),
    })
    const facts = { volume, directory }
    await (output.json ? output.value(facts) : output.line(`Mounted ${volume} at ${output.name(directory)}`))
    await output.flush()
    await served(mounted, { signal, note: (line) => output.note(line) })
    return EXIT.ok
  },
}

async function served(
  mounted: VolumeMount,
  { signal, note }: { readonly signal: AbortSignal; readonly note: (line: string) => void },
): Promise<void> {
  const interrupted = signal.aborted ? Promise.resolve() : once(signal, 'abort')
  await Promise.race([mounted.ended, interrupted])
  if (signal.aborted) {
    try {
      await mounted.unmount({ lazy: false })
    } catch (error) {
      if (!isShoalError(error, 'BUSY')) throw error
      note('It is in use: serving those who use it until they are done')
      await mounted.unmount({ lazy: true })
    }
  }
  await mounted.ended
}

async function openLog({ io, clock }: Invocation): Promise<Log> {
  const { createPinoLog } = await import('#observe/pino-log.ts')
  const format = io.stderr.isTTY === true ? 'pretty' : 'json'
  return createPinoLog({ level: 'warn', format, clock, write: (line) => io.stderr.write(line) })
}
