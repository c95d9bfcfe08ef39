import { allOptions } from './command.ts'
import type { Option } from './command.ts'
import { COMMANDS } from './commands.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

interface Described {
  readonly name: string
  readonly summary: string
  readonly options: readonly Option[]
}

/** A script that completes commands and options, made from the command table. */
export async function completionScript(shell: Shell): Promise<string> {
  const commands: Described[] = []
  for (const entry of COMMANDS)
    commands.push({ name: entry.name, summary: entry.summary, options: allOptions(await entry.load()) })
  if (shell === 'bash') return bash(commands)
  return shell === 'zsh' ? zsh(commands) : fish(commands)
}

function words(options: readonly Option[]): string {
  return options.flatMap(({ name, short }) => (short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`])).join(' ')
}

function topWords(commands: readonly Described[]): string[] {
  return [...new Set(commands.map(({ name }) => name.split(' ')[0] as string)), 'help']
}

function groups(commands: readonly Described[]): [string, string[]][] {
  const found = new Map<string, string[]>()
  for (const { name } of commands) {
    const [group, word] = name.split(' ') as [string, string | undefined]
    if (word !== undefined) found.set(group, [...(found.get(group) ?? []), word])
  }
  return [...found]
}

function bash(commands: readonly Described[]): string {
  const cases = commands.map(({ name, options }) => `    ${JSON.stringify(name)}) options=${JSON.stringify(words(options))} ;;`)
  const groupCases = groups(commands).map(
    ([group, subs]) =>
      `    ${group}) if [ "$COMP_CWORD" = 2 ]; then COMPREPLY=($(compgen -W "${subs.join(' ')}" -- "$word")); return; fi; command="$command \${COMP_WORDS[2]}" ;;`,
  )
  return `# bash completion for shoal
_shoal() {
  local word="\${COMP_WORDS[COMP_CWORD]}" command="\${COMP_WORDS[1]}" options=""
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W "${topWords(commands).join(' ')}" -- "$word"))
    return
  fi
  case "$command" in
${groupCases.join('\n')}
  esac
  case "$command" in
${cases.join('\n')}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -o nosort -o filenames -F _shoal shoal`
}

function zsh(commands: readonly Described[]): string {
  const cases = commands.map(({ name, options }) => {
    const specs = options.map((option) =>
      zshQuote(`--${option.name}[${plain(option.description)}]${option.value === undefined ? '' : `:${option.value}:`}`),
    )
    return `    ${JSON.stringify(name)}) _arguments ${specs.join(' ')} '*:file:_files' ;;`
  })
  const groupCases = groups(commands).map(
    ([group, subs]) =>
      `    ${group}) if (( CURRENT == 3 )); then compadd ${subs.join(' ')}; return; fi; command="$command $words[3]" ;;`,
  )
  const tops = topWords(commands).map((word) =>
    zshQuote(`${word}:${plain(commands.find(({ name }) => name === word)?.summary ?? `commands about ${word}`)}`),
  )
  return `#compdef shoal
# zsh completion for shoal
_shoal() {
  local command="$words[2]"
  local -a tops
  tops=(${tops.join(' ')})
  if (( CURRENT == 2 )); then _describe command tops; return; fi
  case "$command" in
${groupCases.join('\n')}
  esac
  case "$command" in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = "_shoal" ]; then _shoal "$@"; else compdef _shoal shoal; fi`
}

function fish(commands: readonly Described[]): string {
  const lines = ['# fish completion for shoal']
  for (const word of topWords(commands)) {
    const summary = commands.find(({ name }) => name === word)?.summary ?? `commands about ${word}`
    lines.push(`complete -c shoal -n __fish_use_subcommand -f -a ${word} -d ${fishQuote(summary)}`)
  }
  for (const [group, subs] of groups(commands)) {
    lines.push(
      `complete -c shoal -n '__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${subs.join(' ')}' -f -a '${subs.join(' ')}'`,
    )
  }
  for (const { name, options } of commands) {
    const condition = name
      .split(' ')
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join('; and ')
    for (const { name: long, short, value, description } of options) {
      lines.push(
        `complete -c shoal -n '${condition}' -l ${long}${short === undefined ? '' : ` -s ${short}`}${value === undefined ? '' : ' -r'} -d ${fishQuote(description)}`,
      )
    }
  }
  return lines.join('\n')
}

/** Without what means something to zsh in a description. */
function plain(text: string): string {
  return text.replaceAll(/[[\]:`$"\\]/g, ' ')
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
