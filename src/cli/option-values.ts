import { parseArgs } from 'node:util'
import { closest } from '#config/closest.ts'
import { formatDuration, parseDuration, parseSize } from '#config/units.ts'
import type { Option } from './command.ts'
import { usageError } from './usage-error.ts'

/** The options of one call, read by type. @throws a usage error that names the option, the value and what is expected */
export class OptionValues {
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1)
  }

  integer(name: string, { fallback, min, max }: { fallback: number; min: number; max: number }): number {
    const text = this.text(name)
    if (text === undefined) return fallback
    const value = Number(text)
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
      throw usageError(`--${name} is "${text}": a whole number from ${min} to ${max} is expected`)
    }
    return value
  }

  sizeBytes(name: string): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const value = parseSize(text)
    if (value === undefined) throw usageError(`--${name} is "${text}": a size such as 64KiB, 1.5GB or 65536 is expected`)
    return value
  }

  durationMs(name: string, { min, max }: { min: number; max: number }): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const value = parseDuration(text)
    if (value === undefined || value < min || value > max) {
      const range = `from ${formatDuration(min)} to ${formatDuration(max)}`
      throw usageError(`--${name} is "${text}": a duration ${range} is expected, such as 90s, 1h or 7d`)
    }
    return value
  }
}

/** Splits `args` into options and operands. `name` is the command's, for messages. */
export function parseOptions(
  name: string,
  args: readonly string[],
  options: readonly Option[],
): { operands: string[]; values: OptionValues } {
  const shape: Record<string, { type: 'string' | 'boolean'; short?: string; multiple: true }> = {}
  for (const { name: long, short, value } of options) {
    shape[long] = { type: value === undefined ? 'boolean' : 'string', multiple: true, ...(short === undefined ? {} : { short }) }
  }
  const { tokens } = parseArgs({ args: [...args], options: shape, strict: false, allowPositionals: true, tokens: true })
  const operands: string[] = []
  const values = new Map<string, string[]>()
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value)
    if (token.kind !== 'option') continue
    const option = options.find((each) => each.name === token.name)
    if (option === undefined) throw unknownOption(name, token.rawName, options)
    if (option.value === undefined && token.value !== undefined)
      throw usageError(`${token.rawName} takes no value, but "${token.value}" was given`)
    if (
      option.value !== undefined &&
      (token.value === undefined || (token.inlineValue === false && isOption(token.value, options)))
    ) {
      throw usageError(`${token.rawName} needs a value: ${token.rawName} ${option.value}`)
    }
    checkChoice(option, token.value)
    values.set(option.name, [...(values.get(option.name) ?? []), token.value ?? 'true'])
  }
  return { operands, values: new OptionValues(values) }
}

function checkChoice({ name, choices }: Option, value: string | undefined): void {
  if (choices === undefined || value === undefined || choices.includes(value)) return
  throw usageError(`--${name} is "${value}": one of ${choices.join(', ')} is expected`)
}

function isOption(text: string, options: readonly Option[]): boolean {
  return options.some(({ name, short }) => text === `--${name}` || text === `-${short}`)
}

function unknownOption(command: string, rawName: string, options: readonly Option[]): Error {
  const guess = rawName.startsWith('--')
    ? closest(
        rawName.slice(2),
        options.map(({ name }) => name),
      )
    : undefined
  const hint = guess === undefined ? `see shoal ${command} --help` : `did you mean --${guess}?`
  return usageError(`shoal ${command} has no option ${rawName}; ${hint}`)
}
