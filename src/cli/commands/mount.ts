import { once } from 'node:events'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { isShoalError } from '#foundation/errors.ts'
import { parseDuration } from '#config/units.ts'
import type { DraftSettings } from '#mount/open-eventual.ts'
import type { WriteBackSettings } from '#mount/open-write-back.ts'
import type { VolumeMount } from '#mount/start-volume-mount.ts'
import type { Log } from '#observe/log.ts'
import type { Command, Invocation } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { realDirectory } from '../real-directory.ts'
import { spreadMountOptions } from '../mount-options.ts'
import { mountStateFile } from '../mount-state-file.ts'
import type { Output } from '../output.ts'
import { refuseStateWithin } from '../state-elsewhere.ts'
import { usageError } from '../usage-error.ts'
import { writeHint } from '../write-hint.ts'

/** As nodes keep them. */
const LEASE_MS_MIN = 1_000
const LEASE_MS_MAX = 5 * 60_000
const CACHE_BYTES = 4 * 1024 ** 3
const JOURNAL_BYTES = 1024 ** 3
/** Two segments. */
const JOURNAL_BYTES_MIN = 64 * 1024 ** 2
/** A node that is cut off says nothing: programs that ask the mount wait for it. Its feed is taken for lost as soon. */
const PATIENCE = { silenceTimeoutMs: 30_000, triesMsMax: 20_000 }
const VOLUME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

export const mount: Command = {
  usage: ['VOLUME DIR'],
  description: [
    'Ends when the directory is there; a process in the background serves it until it is unmounted ("shoal unmount DIR", or umount). With --foreground this one does, until it is interrupted. Interrupted while programs still use it, it takes the directory away at once and serves those programs until they are done; a second interrupt ends it.',
    'Written back: changes are made when they are in a journal on this machine, and sent in the background; fsync answers when the cluster has them. What a mount that was killed has not sent, the next one does. With --write-mode through, close answers when the cluster has the bytes. Changes that others make show as soon as the node tells of them, some milliseconds later, and when a file is opened at the latest. Locks of strong volumes hold across machines; those of a mount that is killed are gone when the directory is mounted again, or half a minute later. Needs Linux with /dev/fuse, and for users other than root the program fusermount3.',
    'An eventual volume is mounted at any node, also one that is cut off. What is written to a file is stored as one version when it is closed or synced, over the version that was read; nothing is written back, and locks hold among the programs of this machine. Renaming a directory is not one step for others. Hard links, special files and files without a name are refused.',
    'In /etc/fstab the type is shoal, if mount.shoal of this package is in /sbin: "shoal:docs /mnt/docs shoal _netdev,profile=home 0 0".',
  ],
  options: [
    {
      name: 'allow-other',
      description: 'let other users in as well, as modes and owners say; root alone may, or whom /etc/fuse.conf lets',
    },
    { name: 'read-only', description: 'refuse all changes' },
    { name: 'no-exec', description: 'let no program be run from there' },
    {
      name: 'no-xattrs',
      description: 'refuse extended attributes and access control lists: programs that ask for those of each file hear so once',
    },
    {
      name: 'lock-lease',
      value: 'DURATION',
      description: 'how long locks outlive a mount that is gone or cut off, 1s to 5m',
      fallback: '30s',
    },
    {
      name: 'write-mode',
      value: 'MODE',
      description: 'when a change is made: when the journal on this machine has it, or the cluster',
      choices: ['back', 'through'],
      fallback: 'back',
    },
    {
      name: 'journal',
      value: 'DIR',
      description: 'where the journal is kept, for this mount alone',
      fallback: '~/.local/state/shoal/mount-DIR',
    },
    {
      name: 'journal-size',
      value: 'SIZE',
      description:
        'how much the journal may hold; then changes wait. Of an eventual volume: what is written to files before they are stored',
      fallback: '1GiB',
    },
    { name: 'soft', description: 'let changes fail when the journal is full, rather than wait' },
    {
      name: 'no-ask-on-open',
      description:
        'open files for reading as the node has told of them last, without asking it for the newest version: faster, and some milliseconds old at most while it tells',
    },
    {
      name: 'no-keep-awake',
      description:
        'let processors sleep also while programs ask for one thing after another: as root, on machines of up to four processors, they are kept awake meanwhile',
    },
    {
      name: 'cache-size',
      value: 'SIZE',
      description: 'how much of what is read is kept on this machine, beside the journal; 0 keeps nothing',
      fallback: '4GiB',
    },
    { name: 'foreground', description: 'serve the directory in this process' },
    {
      name: 'log-file',
      value: 'FILE',
      description: 'where the process in the background writes warnings',
      fallback: '~/.local/state/shoal/mount-DIR.log',
    },
    {
      name: 'options',
      short: 'o',
      value: 'LIST',
      description:
        'options as mount(8) has them: ro, noexec, allow_other, noxattr, endpoint=, access-key=, secret-key=, ca-file=, profile=, data=, log-file=, lock-lease=, write-mode=, journal=, journal-size=, soft, no-ask-on-open, no-keep-awake, cache-size=',
    },
  ],
  connects: true,
  operands: { min: 2, max: 2 },
  examples: [
    { command: 'shoal mount docs /mnt/docs', explains: 'the volume docs as a directory' },
    { command: 'shoal mount docs /mnt/docs -o ro,profile=home', explains: 'read-only, from the node of a profile' },
  ],
  spread: spreadMountOptions,
  async run(invocation) {
    const { operands, options, output, clock, random, signal, connect } = invocation
    const [name, folder] = operands as readonly [string, string]
    const volume = name.replace(/^shoal:/, '').replace(/:\/?$/, '')
    if (!VOLUME.test(volume)) throw usageError(`"${name}" is no volume's name: write it like docs`)
    const directory = await realDirectory(folder)
    const facts = { volume, directory }
    const leaseMs = leaseOf(options.text('lock-lease'))
    await refuseStateWithin(directory, keptBy(invocation, directory))
    const journalFolder = resolve(options.text('journal') ?? mountStateFile(directory, '', invocation.io.env))
    const cacheFolder = mountStateFile(directory, '.cache', invocation.io.env)
    if (!options.has('foreground')) return mountInBackground(invocation, facts)
    // Whoever lists processes sees what they were called with, secret keys too.
    process.title = `shoal mount ${volume} ${directory}`
    // The C library is for this command alone.
    const writeBack = writeBackSettings(invocation, { directory, journalFolder })
    const cacheBytes = options.sizeBytes('cache-size') ?? CACHE_BYTES
    const [
      { startVolumeMount },
      { NodeFuseMounts },
      { sayReady },
      { nodeAppendFiles },
      { nodeHanding },
      { nodeMachine },
      { collectHeap, keepHeapSmall },
      { nodeKeepAwake },
    ] = await Promise.all([
      import('#mount/start-volume-mount.ts'),
      import('#platform/node-fuse-mounts.ts'),
      import('#platform/node-background.ts'),
      import('#platform/node-append-files.ts'),
      import('#platform/node-handing.ts'),
      import('#platform/node-machine.ts'),
      import('#platform/node-heap.ts'),
      import('#platform/node-keep-awake.ts'),
    ])
    keepHeapSmall()
    const mounted = await startVolumeMount({
      client: connect(PATIENCE),
      volume,
      directory,
      allowOther: options.has('allow-other'),
      readOnly: options.has('read-only'),
      noExec: options.has('no-exec'),
      keepsXattrs: !options.has('no-xattrs'),
      cache: cacheBytes === 0 ? undefined : { files: nodeAppendFiles, folder: cacheFolder, bytesMax: cacheBytes },
      writeBack: writeBack === undefined ? undefined : { ...writeBack, files: nodeAppendFiles },
      journal: { files: nodeAppendFiles, folder: journalFolder },
      drafts: { ...draftSettings(invocation, directory), files: nodeAppendFiles },
      mounts: new NodeFuseMounts(),
      handing: nodeHanding,
      about: `${nodeMachine.hostName}:${directory}`,
      ...(leaseMs === undefined ? {} : { leaseMs }),
      sessionNote: { files: nodeAppendFiles, path: mountStateFile(directory, '.session', invocation.io.env) },
      clock,
      random,
      log: await openLog(invocation),
      keepAwake: options.has('no-keep-awake') ? undefined : nodeKeepAwake,
      collectHeap,
    })
    await tell(output, facts)
    sayReady()
    await hint(output, facts)
    await served(mounted, { signal, note: (line) => output.note(line) })
    return EXIT.ok
  },
}

/** What mounts at a directory keep on this machine, and write to while they serve it. */
function keptBy({ options, io }: Invocation, directory: string): string[] {
  const chosen = ['journal', 'log-file'].flatMap((option) => options.text(option) ?? [])
  return [mountStateFile(directory, '', io.env), mountStateFile(directory, '.log', io.env), ...chosen]
}

function leaseOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const leaseMs = parseDuration(text)
  if (leaseMs !== undefined && leaseMs >= LEASE_MS_MIN && leaseMs <= LEASE_MS_MAX) return leaseMs
  throw usageError(`--lock-lease can't be "${text}": write it like 30s, from 1s to 5m`)
}

interface Facts {
  readonly volume: string
  readonly directory: string
}

async function tell(output: Output, facts: Facts): Promise<void> {
  await (output.json ? output.value(facts) : output.line(`Mounted ${facts.volume} at ${output.name(facts.directory)}`))
  await output.flush()
}

async function hint(output: Output, { volume, directory }: Facts): Promise<void> {
  const line = await writeHint(volume, directory).catch(() => undefined)
  if (line !== undefined) output.note(line)
}

async function mountInBackground({ options, output, io }: Invocation, facts: Facts): Promise<number> {
  const { startInBackground } = await import('#platform/node-background.ts')
  const logFile = resolve(options.text('log-file') ?? mountStateFile(facts.directory, '.log', io.env))
  const started = await startInBackground('--foreground', logFile)
  if (!started.isReady) {
    io.stderr.write(started.log)
    return started.exitCode
  }
  await tell(output, facts)
  await hint(output, facts)
  return EXIT.ok
}

function writeBackSettings(
  { options, io }: Invocation,
  { directory, journalFolder }: { readonly directory: string; readonly journalFolder: string },
): Omit<WriteBackSettings, 'files'> | undefined {
  const journalBytesMax = options.sizeBytes('journal-size') ?? JOURNAL_BYTES
  if (journalBytesMax < JOURNAL_BYTES_MIN) throw usageError(`--journal-size is "${options.text('journal-size')}": 64MiB at least`)
  if (options.text('write-mode') === 'through' || options.has('read-only')) return undefined
  return {
    folder: journalFolder,
    statusFile: mountStateFile(directory, '.status', io.env),
    journalBytesMax,
    isSoft: options.has('soft'),
    asksOnOpen: !options.has('no-ask-on-open'),
    host: hostInNames(),
  }
}

/** Bounded as the journal is. */
function draftSettings({ options, io }: Invocation, directory: string): Omit<DraftSettings, 'files'> {
  const bytesMax = options.sizeBytes('journal-size') ?? JOURNAL_BYTES
  return { folder: mountStateFile(directory, '.drafts', io.env), bytesMax, host: hostInNames() }
}

function hostInNames(): string {
  return hostname().replaceAll(/[^A-Za-z0-9-]/g, '-')
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
