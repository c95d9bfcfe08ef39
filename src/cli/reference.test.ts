import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { test } from 'node:test'
import { allOptions, COMMON_OPTIONS, CONNECTION_OPTIONS } from './command.ts'
import type { Command, CommandEntry, Option } from './command.ts'
import { COMMANDS } from './commands.ts'
import { completionScript, SHELLS } from './completion-script.ts'
import { EXIT_CODES } from './exit-code.ts'
import { commandHelp, optionSyntax, optionText, overview } from './help.ts'

const DOCUMENT = new URL('../../docs/cli.md', import.meta.url)

const loaded: { entry: CommandEntry; command: Command }[] = []
for (const entry of COMMANDS) loaded.push({ entry, command: await entry.load() })

test('docs/cli.md is what the command table says', () => {
  const written = reference()
  if (process.env['WRITE_DOCS'] === '1') writeFileSync(DOCUMENT, written)
  assert.equal(readFileSync(DOCUMENT, 'utf8'), written, 'stale: run WRITE_DOCS=1 node --test src/cli/reference.test.ts')
})

test('the overview has every command, and the help of a command every option', () => {
  assert.ok(loaded.length >= 20)
  for (const { entry, command } of loaded) {
    assert.match(overview(), new RegExp(`^  ${entry.name} +${entry.summary}$`, 'm'))
    const help = commandHelp(entry, command)
    for (const { name, short } of allOptions(command)) {
      assert.ok(help.includes(`--${name}`), `--${name} is missing in the help of ${entry.name}`)
      if (short !== undefined) assert.ok(help.includes(`-${short}, --${name}`))
    }
    for (const example of command.examples) assert.ok(help.includes(example.command))
  }
})

test('no command has two options by one name', () => {
  for (const { entry, command } of loaded) {
    const names = allOptions(command).flatMap(({ name, short }) => (short === undefined ? [name] : [name, `-${short}`]))
    assert.equal(new Set(names).size, names.length, entry.name)
  }
})

for (const shell of SHELLS) {
  test(`the completion for ${shell} knows every command and every option`, async () => {
    const script = await completionScript(shell)
    for (const { entry, command } of loaded) {
      for (const word of entry.name.split(' ')) assert.ok(script.includes(word), word)
      const line = script.split('\n').filter((each) => entry.name.split(' ').every((word) => each.includes(word)))
      for (const { name } of allOptions(command)) {
        const written = shell === 'fish' ? `-l ${name}` : `--${name}`
        assert.ok(
          line.some((each) => each.includes(written)),
          `${entry.name} ${written}`,
        )
      }
    }
  })
}

function reference(): string {
  const parts = [
    '# The command line',
    'This page is made from the command table in `src/cli/`; `shoal COMMAND --help` says the same.',
    'Remote paths are `volume:/path`. A local name that looks like one is written `./name:/…`.',
    '## Which node, and as whom',
    [
      'Flags are strongest, then the environment, then a profile, then defaults.',
      '',
      '| flag | environment | in a profile | otherwise |',
      '|---|---|---|---|',
      '| `--endpoint` | `SHOAL_ENDPOINT` | `endpoint` | `http://127.0.0.1:7400` |',
      '| `--access-key`, `--secret-key` | `SHOAL_ACCESS_KEY`, `SHOAL_SECRET_KEY` | `accessKey`, `secretKey` | for a node on this machine, `root-credentials.json` in its data folder |',
      '| `--ca-file` | `SHOAL_CA_FILE` | `caFile` | for a node on this machine that signed its certificate itself, `tls-certificate.pem` in its data folder beside the authorities that Node knows |',
      '| `--profile` | `SHOAL_PROFILE` | | the profile `default`, if there is one |',
      '| `--data` | `SHOAL_DATA` | | `./.shoal` |',
    ].join('\n'),
    'Profiles are in `~/.config/shoal/profiles.yaml` (`$XDG_CONFIG_HOME` moves it), which must be readable by its owner alone (`chmod 600`):',
    '```yaml\ndefault:\n  endpoint: http://127.0.0.1:7400\n  accessKey: …\n  secretKey: …\nbackup:\n  endpoint: https://backup.example.org:7400\n  accessKey: …\n  secretKey: …\n```',
    '## Copying',
    COPYING.join('\n'),
    '## Exit codes',
    ['| code | meaning |', '|---|---|', ...EXIT_CODES.map(({ code, meaning }) => `| ${code} | ${meaning} |`)].join('\n'),
    'With `--json`, an error is one line on stderr: `{"error":{"code":"NOT_FOUND","message":"…"}}`, with the codes of [errors](errors.md).',
    '## Options that are the same everywhere',
    optionTable([...CONNECTION_OPTIONS, ...COMMON_OPTIONS]),
    'Commands that call no node (`serve`, `config show`, `completion`) take only the last two.',
    ...loaded.map(({ entry, command }) => section(entry, command)),
  ]
  return `${parts.join('\n\n')}\n`
}

const COPYING = [
  '* As with `cp`: into a target directory that exists, a source goes under its own name; else the target becomes the copy. `cp -r dir docs:/` makes `docs:/dir`, `cp -r dir docs:/new` makes `docs:/new`; `dir/.` means the contents of `dir`, and so does a whole volume (`docs:/`).',
  '* Modes and modification times are kept. Node.js sets local times to a quarter of a microsecond; times less than a microsecond apart count as the same.',
  '* Small files travel many to a call, files above 64 MiB in parallel parts. What the node stored is compared with what was sent by SHA-256 wherever the node knows it; `--verify` reads both sides again.',
  '* Every file is complete or not there: in a volume by an atomic write, locally by a temporary name (`.shoal-….part`) that is renamed at the end. Local copies are not flushed to disk file by file, as with `cp`. What a copy that was killed has left under such a name goes when a later one copies to the same directory, an hour after it was last written at the earliest.',
  '* Interrupted? The same command with `--update` goes on: files of the same size and time are left out, and of a large file only the parts that are missing are sent. The state of such uploads is in `$XDG_STATE_HOME/shoal/uploads` (`~/.local/state/shoal/uploads`). Where that is lost, or another machine goes on, `--resume` looks among the unfinished uploads of the volume; of what was sent, only what has the SHA-256 of the file is kept.',
  '* Names are bytes and stay the bytes they are. Paths longer than the 4,096 bytes of Linux work in both directions; other systems refuse them.',
  '* Hard links become files of their own; owners, extended attributes and holes are not copied.',
]

function section({ name, summary }: CommandEntry, command: Command): string {
  const usage = command.usage.map((form) => `shoal ${name} [options]${form === '' ? '' : ` ${form}`}`)
  const examples = command.examples.map((example) => `${example.command}   # ${example.explains}`)
  const parts = [
    `## shoal ${name}`,
    `${summary[0]?.toUpperCase()}${summary.slice(1)}.`,
    `\`\`\`sh\n${usage.join('\n')}\n\`\`\``,
    ...(command.description ?? []),
  ]
  if (command.options.length > 0) parts.push(optionTable(command.options))
  if (examples.length > 0) parts.push(`\`\`\`sh\n${examples.join('\n')}\n\`\`\``)
  return parts.join('\n\n')
}

function optionTable(options: readonly Option[]): string {
  const rows = options.map((option) => `| \`${optionSyntax(option)}\` | ${optionText(option).replaceAll('|', '\\|')} |`)
  return ['| option | what it does [default] |', '|---|---|', ...rows].join('\n')
}
