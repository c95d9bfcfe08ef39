import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { printSecret } from '../print-secret.ts'
import { usageError } from '../usage-error.ts'

export const keyCreate: Command = {
  usage: [''],
  description: [
    'A principal is a name; it has as many keys as it needs, and each of them opens every door: REST, WebDAV and S3. Only the principal root may manage keys.',
    'The secret is drawn at random, unless SHOAL_NEW_SECRET_KEY gives it: there neither `ps` nor the history of the shell shows it.',
  ],
  options: [
    { name: 'principal', value: 'NAME', description: 'whose key it is', fallback: 'root' },
    { name: 'description', value: 'TEXT', description: 'what it is for' },
    { name: 'name', value: 'KEY', description: 'the access key itself, instead of a random one' },
  ],
  connects: true,
  operands: { min: 0, max: 0 },
  examples: [
    { command: 'shoal key create --principal alice --description laptop', explains: 'a key for alice' },
    { command: 'shoal key create --json', explains: 'one more key for root, as JSON' },
  ],
  async run({ options, output, connect, io }) {
    const given = {
      principal: options.text('principal'),
      description: options.text('description'),
      accessKey: options.text('name'),
      secretKey: io.env['SHOAL_NEW_SECRET_KEY'],
    }
    if (given.principal === '') throw usageError('--principal is empty: the name of a principal is expected')
    const settings = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    await printSecret(output, await connect().keys.create(settings))
    return EXIT.ok
  },
}
