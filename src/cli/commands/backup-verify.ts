import { resolve } from 'node:path'
import type { VerifiedMoment } from '#node/verify-backup.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { Progress } from '../progress.ts'
import { plural } from '../units.ts'

export const backupVerify: Command = {
  usage: ['DIR'],
  description: [
    'Reads every chunk and compares it with its name, reads every moment and compares it with its digest, and looks whether each chunk is there that a moment needs. Asks no node, and changes nothing.',
    'What is missing can be had from the cluster again, as far as that still has it: remove the damaged files, and make another backup into the same folder.',
  ],
  options: [{ name: 'quiet', short: 'q', description: 'no progress' }],
  connects: false,
  operands: { min: 1, max: 1 },
  examples: [{ command: 'shoal backup verify /backup/shoal', explains: 'each moment, and whether it can be restored' }],
  async run({ operands, options, io, output, clock, signal }) {
    const { verifyBackup } = await import('#node/verify-backup.ts')
    const progress = new Progress({ io, clock, quiet: options.has('quiet') || output.json })
    const moments: VerifiedMoment[] = []
    let findings = 0
    progress.start()
    try {
      for await (const found of verifyBackup({ folder: resolve(operands[0] as string), signal, progress })) {
        if (found.kind === 'finding') findings += 1
        else moments.push(found)
        if (output.json) await output.value(found)
        else if (found.kind === 'finding') await output.line(`${found.path}: ${found.problem}`)
      }
    } finally {
      progress.stop()
    }
    const clean = findings === 0
    if (output.json) await output.value({ kind: 'result', clean, findings })
    else {
      for (const moment of moments) await output.line(describe(moment))
      await output.line(clean ? 'Everything is in order' : `${plural(findings, 'problem')} found`)
    }
    return clean ? EXIT.ok : EXIT.problemsFound
  },
}

function describe({ moment, chunks, bad, whole }: VerifiedMoment): string {
  if (whole) return `${moment}: ${plural(chunks, 'chunk')}, whole`
  return bad === 0 ? `${moment}: damaged` : `${moment}: ${bad} of ${plural(chunks, 'chunk')} missing or damaged`
}
