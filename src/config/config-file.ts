import { ShoalError } from '#foundation/errors.ts'
import { closest } from './closest.ts'
import { CONFIG_KEYS, settingOf, type ConfigKey } from './settings.ts'

const SECTIONS = [...new Set(CONFIG_KEYS.filter((key) => key.includes('.')).map((key) => key.slice(0, key.indexOf('.'))))]

/** What a configuration file says, by key. Each thing wrong with its form becomes a sentence in `problems`.
 *  @throws INVALID_ARGUMENT if it isn't YAML */
export async function readConfigFile(path: string, content: string, problems: string[]): Promise<Map<ConfigKey, unknown>> {
  const values = new Map<ConfigKey, unknown>()
  const root = await parseYaml(path, content)
  for (const [name, value] of entriesOf(root, path, problems)) {
    if (!SECTIONS.includes(name)) take(name, value)
    else for (const [leaf, inner] of entriesOf(value, `"${name}" in ${path}`, problems)) take(`${name}.${leaf}`, inner)
  }
  return values

  function take(key: string, value: unknown): void {
    if (!isConfigKey(key)) problems.push(`${path} has "${key}", which is no setting${didYouMean(key, CONFIG_KEYS)}`)
    else if (settingOf(key).secret) problems.push(`${path} has "${key}", a secret: it may only come from the environment`)
    else values.set(key, value)
  }
}

export function isConfigKey(key: string): key is ConfigKey {
  return CONFIG_KEYS.includes(key as ConfigKey)
}

export function didYouMean(word: string, candidates: readonly string[]): string {
  const guess = closest(word, candidates)
  return guess === undefined ? '' : `; did you mean "${guess}"?`
}

async function parseYaml(path: string, content: string): Promise<unknown> {
  // Most nodes have no file, and do without the library.
  const { parseDocument } = await import('yaml')
  const document = parseDocument(content)
  const [error] = document.errors
  if (error !== undefined) throw new ShoalError('INVALID_ARGUMENT', `${path} is not valid YAML: ${error.message.trimEnd()}`)
  return document.toJS()
}

function entriesOf(value: unknown, where: string, problems: string[]): [string, unknown][] {
  if (value === null || value === undefined) return []
  if (typeof value === 'object' && !Array.isArray(value)) return Object.entries(value)
  problems.push(`${where} holds ${JSON.stringify(value)}: settings are expected, one "name: value" a line`)
  return []
}
