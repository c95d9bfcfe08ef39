import { allOptions } from './command.ts'
import type { Command, CommandEntry, Option } from './command.ts'
import { COMMANDS } from './commands.ts'
import { EXIT_CODES } from './exit-code.ts'
import { columns } from './output.ts'

const WIDTH = 100

/** `shoal help`: every command in a line. */
export function overview(entries: readonly CommandEntry[] = COMMANDS): string {
  const rows = entries.map(({ name, summary }) => [`  ${name}`, summary])
  return [
    'Usage: shoal COMMAND [options] [operands]',
    '',
    'Commands:',
    ...columns(rows, '<<'),
    '',
    'Remote paths are volume:/path.',
    'shoal COMMAND --help explains a command, shoal help exit-codes lists the exit codes.',
  ].join('\n')
}

/** The help of one command. */
export function commandHelp({ name, summary }: CommandEntry, command: Command): string {
  const lines = command.usage.map(
    (form, index) => `${index === 0 ? 'Usage:' : '      '} shoal ${name} [options]${form === '' ? '' : ` ${form}`}`,
  )
  lines.push('', `${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
  for (const paragraph of command.description ?? []) lines.push('', ...wrap(paragraph, WIDTH))
  lines.push('', 'Options:', ...optionLines(allOptions(command)))
  if (command.examples.length > 0) {
    lines.push('', 'Examples:')
    for (const example of command.examples) lines.push(`  ${example.command}`, `      ${example.explains}`)
  }
  return lines.join('\n')
}

export function exitCodesHelp(): string {
  return [
    'Exit codes:',
    ...columns(
      EXIT_CODES.map(({ code, meaning }) => [String(code).padStart(5), meaning]),
      '><',
    ),
  ].join('\n')
}

/** `-r, --recursive`, `--size BYTES`. */
export function optionSyntax({ name, short, value }: Option): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
}

/** What the help says of an option. */
export function optionText({ description, choices, fallback }: Option): string {
  const allowed = choices === undefined ? '' : ` (${choices.join(', ')})`
  return `${description}${allowed}${fallback === undefined ? '' : ` [${fallback}]`}`
}

function optionLines(options: readonly Option[]): string[] {
  const width = Math.min(
    30,
    Math.max(...options.map((option) => optionSyntax(option).length + (option.short === undefined ? 4 : 0))),
  )
  return options.flatMap((option) => {
    const syntax = (option.short === undefined ? '    ' : '') + optionSyntax(option)
    const [first = '', ...further] = wrap(optionText(option), WIDTH - width - 4)
    const head =
      syntax.length > width ? [`  ${syntax}`, `${' '.repeat(width + 4)}${first}`] : [`  ${syntax.padEnd(width)}  ${first}`]
    return [...head, ...further.map((line) => `${' '.repeat(width + 4)}${line}`)]
  })
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
