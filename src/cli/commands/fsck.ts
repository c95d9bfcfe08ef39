import { resolve } from 'node:path'
import type { FsckLine } from '#client/wire.ts'
import type { Command, Invocation } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { plural } from '../units.ts'

export const fsck: Command = {
  usage: [''],
  description: [
    'Checks every invariant: entries, references, counters, and that each chunk that is referred to is there. With --verify, also reads all contents and compares their digests.',
    'Without --data it asks a running node. With --data it checks the data folder of a stopped one.',
  ],
  options: [
    { name: 'repair', description: 'mend what can be mended' },
    { name: 'verify', description: 'read all contents, not only what describes them' },
    { name: 'data', value: 'DIR', description: 'check this data folder of a node that is not running' },
  ],
  connects: true,
  operands: { min: 0, max: 0 },
  examples: [
    { command: 'shoal fsck', explains: 'check a running node' },
    { command: 'shoal fsck --data ./.shoal --verify', explains: 'check a stopped one, contents included' },
  ],
  async run(invocation) {
    const { options } = invocation
    const checks = { repair: options.has('repair'), verify: options.has('verify') }
    const data = options.text('data')
    const lines =
      data === undefined
        ? invocation.connect().fsck({ ...checks, signal: invocation.signal })
        : await checkStopped(resolve(data), { ...checks, signal: invocation.signal })
    return report(invocation, lines)
  },
}

async function checkStopped(
  data: string,
  checks: { repair: boolean; verify: boolean; signal: AbortSignal },
): Promise<AsyncIterable<FsckLine>> {
  const { fsckOffline } = await import('#node/offline.ts')
  return fsckOffline({ data, ...checks }) as AsyncIterable<FsckLine>
}

async function report({ output }: Invocation, lines: AsyncIterable<FsckLine>): Promise<number> {
  let clean: boolean | undefined
  for await (const line of lines) {
    if (line.kind === 'result') clean = line.clean
    if (output.json) await output.value(line)
    else if (line.kind === 'finding') await output.line(`${line.where}: ${line.problem}${line.repaired ? ' (repaired)' : ''}`)
    else if (line.kind === 'result') await output.line(summary(line))
  }
  if (clean === undefined) {
    output.note('shoal: The check ended without a result; the log of the node says why')
    return EXIT.failure
  }
  return clean ? EXIT.ok : EXIT.problemsFound
}

function summary({ clean, findings, repaired }: Extract<FsckLine, { kind: 'result' }>): string {
  if (clean) return 'Everything is in order'
  return `${plural(findings, 'problem')} found, ${repaired} repaired${repaired < findings ? '; --repair mends what can be mended' : ''}`
}
