import type { ShoalClient } from '#client/shoal-client.ts'
import type { TransportOptions } from '#client/transport.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { Io } from './io.ts'
import type { OptionValues } from './option-values.ts'
import type { Output } from './output.ts'

export interface Option {
  /** Without dashes. */
  readonly name: string
  readonly short?: string
  /** What the value is called in the help; an option without one is a switch. */
  readonly value?: string
  readonly description: string
  /** As shown in the help. */
  readonly fallback?: string
  readonly choices?: readonly string[]
}

export interface Example {
  readonly command: string
  readonly explains: string
}

/** One command of `shoal`: what the parser, the help, the completions and docs/cli.md are made from. */
export interface Command {
  /** The operands, as in `SOURCE... TARGET`. One line a form. */
  readonly usage: readonly string[]
  /** What the summary leaves unsaid, one paragraph a string. */
  readonly description?: readonly string[]
  readonly options: readonly Option[]
  /** Whether the command calls a node, and so takes the options that say which and as whom. */
  readonly connects: boolean
  readonly operands: { readonly min: number; readonly max: number }
  readonly examples: readonly Example[]
  /** Rewrites the arguments before they are read, for forms that other programs use. @throws a usage error */
  readonly spread?: (args: readonly string[]) => string[]
  /** Resolves with the exit code. */
  run(invocation: Invocation): Promise<number>
}

/** A command in the table: loaded only when it is needed, so that each starts fast. */
export interface CommandEntry {
  /** One word, or two for a command of a group. */
  readonly name: string
  readonly summary: string
  load(): Promise<Command>
}

/** One call of a command. */
export interface Invocation {
  readonly operands: readonly string[]
  readonly options: OptionValues
  readonly io: Io
  readonly output: Output
  readonly clock: Clock
  readonly random: Random
  /** Aborts when the user interrupts. */
  readonly signal: AbortSignal
  /** Leaves the handling of signals to the command. */
  readonly releaseSignals: () => void
  /** A client for the node that options, environment or profile name. Closed when the command ends. */
  connect(limits?: Pick<TransportOptions, 'connections' | 'silenceTimeoutMs' | 'triesMsMax'>): ShoalClient
}

export const COMMON_OPTIONS: readonly Option[] = [
  { name: 'json', description: 'print JSON: one object a line for lists, with the field names of the REST interface' },
  { name: 'help', description: 'explain the command' },
]

export const CONNECTION_OPTIONS: readonly Option[] = [
  { name: 'endpoint', value: 'URL', description: 'the node to call; SHOAL_ENDPOINT', fallback: 'http://127.0.0.1:7400' },
  { name: 'access-key', value: 'KEY', description: 'who calls; SHOAL_ACCESS_KEY' },
  {
    name: 'secret-key',
    value: 'SECRET',
    description: 'the secret of the access key; better given as SHOAL_SECRET_KEY, which `ps` does not show',
  },
  {
    name: 'ca-file',
    value: 'FILE',
    description: 'for an https endpoint: the certificates in PEM to trust, instead of those that are known; SHOAL_CA_FILE',
  },
  { name: 'profile', value: 'NAME', description: 'a profile of ~/.config/shoal/profiles.yaml; SHOAL_PROFILE' },
  {
    name: 'data',
    value: 'DIR',
    description:
      "on the node's own machine: take the root credentials, and the certificate that it signed itself, from its data folder; SHOAL_DATA",
    fallback: './.shoal',
  },
]

/** All options of a command, its own first. An own one hides a common one of the same name. */
export function allOptions(command: Command): readonly Option[] {
  const own = command.options
  const further = [...(command.connects ? CONNECTION_OPTIONS : []), ...COMMON_OPTIONS]
  return [...own, ...further.filter(({ name }) => !own.some((option) => option.name === name))]
}
