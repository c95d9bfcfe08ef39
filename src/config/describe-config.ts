import { describeOrigin, type LoadedConfig } from './load-config.ts'
import { CONFIG_KEYS, environmentNameOf, flagNameOf, settingOf } from './settings.ts'

export interface DescribedSetting {
  readonly key: string
  /** As the key's value would be written in a file; `(set)` or `(not set)` for a secret. */
  readonly value: string
  readonly origin: string
}

/** Every key with its value and where that came from, for `shoal config show`. */
export function describeConfig({ config, origins }: LoadedConfig): DescribedSetting[] {
  return CONFIG_KEYS.map((key) => {
    const setting = settingOf(key)
    const value = key.split('.').reduce<unknown>((inner, name) => (inner as Record<string, unknown>)[name], config)
    const secret = value === undefined ? '(not set)' : '(set)'
    return { key, value: setting.secret ? secret : setting.format(value), origin: describeOrigin(origins[key]) }
  })
}

export interface ConfigFlag {
  /** Without dashes. */
  readonly name: string
  readonly takesValue: boolean
  readonly help: string
  readonly fallback: string
}

/** The flags that set something, for the command line's parser and its help. */
export function configFlags(): ConfigFlag[] {
  return CONFIG_KEYS.filter((key) => !settingOf(key).secret).map((key) => {
    const { fallback, help, format } = settingOf(key)
    return { name: flagNameOf(key), takesValue: typeof fallback !== 'boolean', help, fallback: format(fallback) }
  })
}

/** The table of docs/configuration.md. */
export function configurationTable(): string {
  const rows = CONFIG_KEYS.map((key) => {
    const { fallback, help, allowed, format, secret } = settingOf(key)
    const flag = secret ? '–' : `\`--${flagNameOf(key)}\``
    const standard = secret || format(fallback) === '' ? '–' : `\`${format(fallback)}\``
    return `| \`${key}\` | ${help} | ${standard} | ${allowed} | ${flag} | \`${environmentNameOf(key)}\` |`
  })
  return ['| key | what it is | default | allowed | flag | environment |', '|---|---|---|---|---|---|', ...rows].join('\n')
}
