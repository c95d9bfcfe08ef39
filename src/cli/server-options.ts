import type { ConfigFlag } from '#config/describe-config.ts'
import type { Option } from './command.ts'
import type { OptionValues } from './option-values.ts'

/** The settings of a node as options of the command line. */
export function serverOptions(flags: readonly ConfigFlag[]): readonly Option[] {
  const settings = flags.map(({ name, takesValue, help, fallback }) => ({
    name,
    description: help,
    ...(takesValue ? { value: 'VALUE', ...(fallback === '' ? {} : { fallback }) } : {}),
  }))
  return [
    {
      name: 'config',
      value: 'FILE',
      description: 'the configuration file; SHOAL_CONFIG',
      fallback: 'shoal.yaml in the data folder',
    },
    ...settings,
  ]
}

/** What was given of them, as the configuration takes it. */
export function serverFlags(options: OptionValues, flags: readonly ConfigFlag[]): Record<string, string | boolean | undefined> {
  return Object.fromEntries(
    flags.map(({ name, takesValue }) => [name, takesValue ? options.text(name) : options.has(name) || undefined]),
  )
}
