import { ShoalError } from '#foundation/errors.ts'
import type { Command, Invocation } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { formatRemote, parseLocation } from '../location.ts'
import type { Location, RemoteLocation } from '../location.ts'
import type { OptionValues } from '../option-values.ts'
import { Progress } from '../progress.ts'
import { humanDuration, humanSize, plural } from '../units.ts'
import { usageError } from '../usage-error.ts'
import type { CopySettings } from '../copy/copy-context.ts'
import { CopyReport } from '../copy/copy-report.ts'
import { stateFolder } from '../copy/resume-state.ts'
import { StaleParts } from '../copy/stale-parts.ts'
import { pathsOnly, runCopy } from '../copy/run-copy.ts'
import type { CopyRequest } from '../copy/run-copy.ts'

export const cp: Command = {
  usage: ['SOURCE TARGET', 'SOURCE... DIRECTORY', '- VOLUME:/PATH', 'VOLUME:/PATH -'],
  description: [
    'A path is local, or in a volume (VOLUME:/PATH); "-" is stdin or stdout. At least one side is in a volume. Within one volume the server copies without moving bytes.',
    'As with cp, a source goes into a target directory that exists under its own name, else the target becomes the copy: cp -r dir docs:/ makes docs:/dir. With "/." at its end, the contents of a directory are copied. Missing directories in a volume are made.',
    'Modes and times are kept, symbolic links are copied as links with -r. Sockets, FIFOs and devices are skipped with a warning. A file that fails does not stop the others; the exit code is 1 then.',
    'An interrupted copy goes on when it is run again with --update; where the first run has made the target directory, also with -T, or the second one would go into it. Large files (above 64 MiB) go up in parts, and those that have arrived are not sent again.',
  ],
  options: [
    { name: 'recursive', short: 'r', description: 'copy directories with all that is in them' },
    { name: 'dereference', short: 'L', description: 'copy what local symbolic links point to' },
    { name: 'no-dereference', short: 'P', description: 'copy symbolic links as links; the default with -r' },
    { name: 'no-target-directory', short: 'T', description: 'the target is to be the copy, also where it is a directory by now' },
    { name: 'update', short: 'u', description: 'leave out files that are there with the same size and time' },
    {
      name: 'resume',
      description: 'as --update, and large files go on from an unfinished upload of the same path, whoever began it',
    },
    { name: 'checksum', description: 'with --update, compare SHA-256 instead of size and time' },
    { name: 'verify', description: 'read both sides again after each file and compare them' },
    { name: 'parallel', value: 'N', description: 'files on their way at once', fallback: '16' },
    { name: 'fail-fast', description: 'stop at the first file that fails' },
    { name: 'quiet', short: 'q', description: 'no progress and no summary' },
  ],
  connects: true,
  operands: { min: 2, max: Infinity },
  examples: [
    { command: 'shoal cp report.pdf docs:/', explains: 'one file into the root of a volume' },
    { command: 'shoal cp -r photos docs:/', explains: 'a directory, as docs:/photos' },
    { command: 'shoal cp -r --update photos docs:/', explains: 'only what has changed since, or is missing' },
    { command: 'shoal cp -r docs:/photos /backup', explains: 'and out again' },
    { command: 'tar c src | shoal cp - docs:/src.tar', explains: 'from stdin' },
  ],
  async run(invocation) {
    const { operands, options } = invocation
    const locations = operands.map(parseLocation)
    const target = locations.pop() as Location
    const exact = options.has('no-target-directory')
    if (exact && locations.length > 1) throw usageError('--no-target-directory goes with one source')
    const parallel = options.integer('parallel', { fallback: 16, min: 1, max: 256 })
    checkTogether(options)
    if (locations.some(({ kind }) => kind === 'stdio') || target.kind === 'stdio')
      return copyStream(invocation, locations, target)
    const sources = pathsOnly(locations)
    const [place] = pathsOnly([target])
    if (place === undefined || (place.kind === 'local' && sources.some(({ kind }) => kind === 'local'))) {
      throw usageError('Neither side is in a volume: write one as volume:/path, or use cp')
    }
    return copyPaths(invocation, { sources, target: place, exact, parallel })
  },
}

async function copyPaths(
  invocation: Invocation,
  { sources, target, exact, parallel }: Omit<CopyRequest, 'progress'> & { readonly parallel: number },
): Promise<number> {
  const { options, io, output, clock, random, signal } = invocation
  const progress = new Progress({ io, clock, quiet: options.has('quiet') || output.json })
  const report = new CopyReport({ output, progress, failFast: options.has('fail-fast'), signal })
  // Beside the files themselves: batches, listings, and parts of large files.
  const client = invocation.connect({ connections: parallel * 2 + 16 })
  progress.start()
  try {
    await runCopy(
      {
        client,
        report,
        runId: random.bytes(6).toString('hex'),
        staleParts: new StaleParts(),
        settings: settingsOf(options, parallel),
        stateFolder: stateFolder(io.env),
      },
      { sources, target, exact, progress },
    )
  } catch (error) {
    if (!report.stopped) throw error
  } finally {
    progress.stop()
  }
  await summarize(invocation, report, progress.elapsedMs)
  return report.exitCode
}

function settingsOf(options: OptionValues, parallel: number): CopySettings {
  return {
    recursive: options.has('recursive'),
    follow: options.has('dereference'),
    update: options.has('update') || options.has('resume'),
    resume: options.has('resume'),
    checksum: options.has('checksum'),
    verify: options.has('verify'),
    parallel,
  }
}

function checkTogether(options: OptionValues): void {
  if (options.has('dereference') && options.has('no-dereference'))
    throw usageError('--dereference and --no-dereference contradict each other')
  if (options.has('checksum') && !options.has('update') && !options.has('resume'))
    throw usageError('--checksum says how to compare, and needs --update')
}

async function summarize({ output, options }: Invocation, report: CopyReport, elapsedMs: number): Promise<void> {
  const { files, directories, links, bytes, skipped, failed, warnings, stopped } = report
  const seconds = Math.round(elapsedMs) / 1000
  if (output.json)
    await output.value({
      files,
      directories,
      links,
      bytes,
      skipped,
      failed,
      warnings,
      seconds,
      complete: failed === 0 && !stopped,
    })
  if (output.json || options.has('quiet')) return
  const parts = [plural(files, 'file'), humanSize(bytes)]
  if (skipped > 0) parts.push(`${plural(skipped, 'file')} unchanged`)
  if (failed > 0) parts.push(`${failed.toLocaleString('en-US')} failed`)
  const rate = elapsedMs > 1000 ? `, ${humanSize((bytes / elapsedMs) * 1000)}/s` : ''
  const verb = stopped ? 'Stopped after copying' : 'Copied'
  output.note(
    `${verb} ${parts.join(', ')} in ${elapsedMs < 10_000 ? `${(elapsedMs / 1000).toFixed(1)} s` : humanDuration(elapsedMs)}${rate}`,
  )
  if (stopped) output.note('Run it again with --update to go on, and with -T if it was to make the target directory.')
}

async function copyStream(invocation: Invocation, sources: readonly Location[], target: Location): Promise<number> {
  const { io, output, signal } = invocation
  const [source] = sources
  if (source === undefined || sources.length > 1 || (source.kind === 'stdio') === (target.kind === 'stdio')) {
    throw usageError('"-" (stdin or stdout) can only be copied to or from one file in a volume')
  }
  const remote = source.kind === 'stdio' ? target : source
  if (remote.kind !== 'remote') throw usageError('"-" (stdin or stdout) can only be copied to or from one file in a volume')
  const client = invocation.connect()
  if (target.kind === 'stdio') {
    const { body } = await client.openFile(remote.volume, remote.path, { signal })
    for await (const chunk of body) await output.bytes(chunk)
    return EXIT.ok
  }
  await refuseDirectory(invocation, client, remote)
  const entry = await client.writeStream(remote.volume, remote.path, io.stdin as AsyncIterable<Uint8Array>, { signal })
  if (output.json) await output.value(entry)
  return EXIT.ok
}

async function refuseDirectory(
  { signal }: Invocation,
  client: ReturnType<Invocation['connect']>,
  remote: RemoteLocation,
): Promise<void> {
  const there = remote.directory ? { type: 'directory' } : await client.findEntry(remote.volume, remote.path, { signal })
  if (there?.type === 'directory')
    throw new ShoalError('IS_A_DIRECTORY', `"${formatRemote(remote)}" is a directory: name the file that stdin becomes`)
}
