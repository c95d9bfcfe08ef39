import process from 'node:process'
import { configFlags, describeConfig } from '#config/describe-config.ts'
import { loadConfig } from '#config/load-config.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { columns } from '../output.ts'
import { readOptionalFile } from '../read-optional-file.ts'
import { serverFlags, serverOptions } from '../server-options.ts'

export const configShow: Command = {
  usage: [''],
  description: [
    'Takes the same options as shoal serve, and prints what a node started with them would run with. Secrets are not shown.',
  ],
  options: serverOptions(configFlags()),
  connects: false,
  operands: { min: 0, max: 0 },
  examples: [
    { command: 'shoal config show', explains: 'every setting, its value and where it came from' },
    { command: 'shoal config show --config /etc/shoal.yaml', explains: 'of that file' },
  ],
  async run({ options, io, output }) {
    const sources = {
      flags: serverFlags(options, configFlags()),
      env: io.env,
      cwd: process.cwd(),
      configPath: options.text('config'),
      files: { read: readOptionalFile },
    }
    const loaded = await loadConfig(sources)
    for (const warning of loaded.warnings) output.note(`shoal: ${warning}`)
    const settings = describeConfig(loaded)
    if (output.json) for (const setting of settings) await output.value(setting)
    else
      for (const line of columns(
        settings.map(({ key, value, origin }) => [key, value, origin]),
        '<<<',
      ))
        await output.line(line)
    return EXIT.ok
  },
}
