import { posix } from 'node:path'
import {
  ADAPTERS,
  ADAPTER_USERS,
  HARMLESS_MODULES,
  LAYERS,
  OUTSIDE_MODULES,
  SOURCE_LINES_MAX,
  VOLUME_VOCABULARY,
} from './layers.ts'

export interface SourceFile {
  /** From the checkout's root, with `/`. */
  readonly path: string
  readonly text: string
}

const IMPORT = /(?:^|[\n;])\s*(?:import|export)\b(?:[^'"`;]*?\bfrom\s*)?\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g
const FILE_NAME = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|suite|soak|child|bench|d))?\.ts$/
const NAMES_WITHOUT_MEANING = /(^|-)(utils?|helpers?|common|managers?|misc)(-|\.|$)|^index\.ts$/

/** What `files` do against the architecture, one sentence each; empty if nothing. */
export function findViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => [...checkShape(file), ...checkImports(file)])
}

/** The layer of a file of `src`, or undefined if it's in none. */
export function layerOf(path: string): string | undefined {
  const parts = path.split('/')
  if (parts[0] !== 'src') return undefined
  if (path === 'src/main.ts') return 'main'
  const name = parts[1] === 'gateway' ? `gateway/${parts[2] ?? ''}` : parts[1]
  return LAYERS.find((layer) => layer.name === name)?.name
}

function checkShape({ path, text }: SourceFile): string[] {
  const found: string[] = []
  const name = posix.basename(path)
  if (!FILE_NAME.test(name)) found.push(`${path}: names are kebab-case, after the main export`)
  if (NAMES_WITHOUT_MEANING.test(name)) found.push(`${path}: the name doesn't say what is in it`)
  const lines = text.split('\n').length - 1
  if (lines > SOURCE_LINES_MAX) found.push(`${path}: ${lines} lines; past ${SOURCE_LINES_MAX} something wants to leave`)
  if (/^export \* from/m.test(text)) found.push(`${path}: no barrels; import from the file that has it`)
  // oxlint sees Date.now(); this is the other way to read the clock.
  if (!isTest(path) && layerOf(path) !== 'platform' && /\bnew Date\(\)/.test(text))
    found.push(`${path}: time comes from the Clock port`)
  if (layerOf(path) === undefined) found.push(`${path}: no layer of that name in tools/architecture/layers.ts`)
  return found
}

function checkImports(file: SourceFile): string[] {
  if (isTest(file.path)) return []
  return importsOf(file.text).flatMap((specifier) => checkImport(file.path, specifier) ?? [])
}

function checkImport(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.') && !specifier.startsWith('#')) return checkModule(path, specifier)
  const target = specifier.startsWith('#') ? `src/${specifier.slice(1)}` : posix.join(posix.dirname(path), specifier)
  const from = layerOf(path)
  const to = layerOf(target)
  if (to === undefined) return `${path}: "${specifier}" is in no layer`
  if (from === undefined) return undefined
  if (isTest(target)) return `${path}: "${specifier}" is for tests`
  const isAdapter = ADAPTERS.some((pattern) => pattern.test(target))
  if (from === to) return undefined
  if (specifier.startsWith('.'))
    return `${path}: write "#${target.slice('src/'.length)}" for "${specifier}", which is in another layer`
  const imports = LAYERS.find(({ name }) => name === from)?.imports ?? []
  const isAllowed = imports.includes(to) || (imports.includes('volume') && VOLUME_VOCABULARY.test(target))
  if (!isAllowed) return `${path}: ${from} must not import ${to} ("${specifier}")`
  if (isAdapter && ADAPTER_USERS[from]?.test(target) !== true)
    return `${path}: "${specifier}" is an adapter; take its port in the constructor`
  return undefined
}

function checkModule(path: string, specifier: string): string | undefined {
  if (HARMLESS_MODULES.includes(specifier)) return undefined
  const users = OUTSIDE_MODULES[specifier]
  if (users === undefined) return `${path}: "${specifier}" is not among the modules of tools/architecture/layers.ts`
  return users.test(path) ? undefined : `${path}: must not import "${specifier}"; go through a port`
}

function importsOf(text: string): string[] {
  return [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? '')
}

function isTest(path: string): boolean {
  return /\.(test|suite|soak|child|bench)\.ts$/.test(path)
}
