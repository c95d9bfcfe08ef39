import type { WriteBackStatus } from '#mount/open-write-back.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { mountStateFile } from '../mount-state-file.ts'
import { columns } from '../output.ts'
import { shortSize } from '../units.ts'

const HEADINGS = ['VOLUME', 'DIRECTORY', 'STATE', 'PENDING', 'JOURNAL', 'CONFLICTS', 'ERROR'] as const

export const mountStatus: Command = {
  usage: [''],
  description: [
    'A mount is dead when the program that served it was killed: "shoal unmount DIR" clears it away, and mounting again too. It is silent when that program is there, but does not answer. To mount a volume that is called "status", write "status:".',
    'PENDING counts changes that the cluster has not got yet, as far as they are sent by themselves, JOURNAL what the journal holds for them, CONFLICTS those that others had made impossible since the mount began.',
  ],
  options: [],
  connects: false,
  operands: { min: 0, max: 0 },
  examples: [{ command: 'shoal mount status', explains: 'volume, directory and state of each, and what it has not sent yet' }],
  async run({ output, io }) {
    const { NodeFuseMounts } = await import('#platform/node-fuse-mounts.ts')
    const { nodeFiles } = await import('#platform/node-files.ts')
    const rows: string[][] = []
    for (const { directory, source, state } of await new NodeFuseMounts().list('fuse.shoal')) {
      const volume = source.replace(/^shoal:/, '')
      const kept = keptIn(await nodeFiles.read(mountStateFile(directory, '.status', io.env)).catch(() => undefined))
      if (output.json) await output.value({ volume, directory, state, ...kept })
      else rows.push([volume, output.name(directory), state, ...backlog(kept)])
    }
    if (rows.length > 0) for (const line of columns([[...HEADINGS], ...rows], '<<<>>><')) await output.line(line)
    return EXIT.ok
  },
}

/** It is written over in place, and never flushed: a power failure may have left anything. */
function keptIn(bytes: Uint8Array | undefined): WriteBackStatus | undefined {
  try {
    const { pending, journalBytes, conflicts, error } = JSON.parse(Buffer.from(bytes ?? []).toString('utf8')) as WriteBackStatus
    const figures = { pending, journalBytes, conflicts }
    if (!Object.values(figures).every(Number.isSafeInteger)) return undefined
    return { ...figures, ...(typeof error === 'string' ? { error } : {}) }
  } catch {
    return undefined
  }
}

function backlog(kept: WriteBackStatus | undefined): string[] {
  if (kept === undefined) return ['-', '-', '-', '']
  return [String(kept.pending), shortSize(kept.journalBytes), String(kept.conflicts), kept.error ?? '']
}
