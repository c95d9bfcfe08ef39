import { z } from 'zod'
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts'

/** One thing that can be configured. */
export interface Setting<T> {
  /** Reads what a file (any YAML scalar), an environment variable or a flag (text) gave. */
  readonly schema: z.ZodType<T>
  readonly fallback: T
  /** What is allowed, as the end of a sentence. */
  readonly allowed: string
  readonly help: string
  /** The text that the schema reads as `value`. */
  readonly format: (value: T) => string
  /** Secrets come from the environment alone, where neither `ps` nor a backup finds them, and are never shown. */
  readonly secret: boolean
}

type Description<T> = Pick<Setting<T>, 'fallback' | 'help'>

interface Bounds {
  readonly min: number
  readonly max: number
}

export function text(options: Description<string> & { pattern?: RegExp; allowed?: string }): Setting<string> {
  const { pattern = /./s, allowed = "text that isn't empty", ...rest } = options
  return { ...rest, schema: z.string().regex(pattern), allowed, format: String, secret: false }
}

/** A short name such as that of a region. */
export function word(options: Description<string>): Setting<string> {
  const schema = z.string().regex(/^[A-Za-z0-9-]{1,64}$/)
  return { ...options, schema, allowed: '1 to 64 letters, digits and dashes', format: String, secret: false }
}

/** A file's path, relative to the working folder. There may be none, which is also what empty text says. */
export function optionalPath(options: { readonly help: string }): Setting<string | undefined> {
  const schema = z.string().transform((path) => (path === '' ? undefined : path))
  return { ...options, schema, fallback: undefined, allowed: 'the path of a file', format: (path) => path ?? '', secret: false }
}

export function secret(options: { help: string; pattern: RegExp; allowed: string }): Setting<string | undefined> {
  const { help, pattern, allowed } = options
  return { help, allowed, schema: z.string().regex(pattern).optional(), fallback: undefined, format: () => '', secret: true }
}

export function flag(options: Description<boolean>): Setting<boolean> {
  const words = z.enum(['true', 'false']).transform((word) => word === 'true')
  return { ...options, schema: z.union([z.boolean(), words]), allowed: 'true or false', format: String, secret: false }
}

export function choice<const T extends string>(options: Description<NoInfer<T>> & { values: readonly T[] }): Setting<T> {
  const { values, fallback, help } = options
  return { fallback, help, schema: z.enum(values), allowed: `one of ${values.join(', ')}`, format: String, secret: false }
}

/** Names of hosts, in a file as a list or as text with commas. */
export function hostNames(options: { readonly help: string }): Setting<readonly string[]> {
  const name = z.string().regex(/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/)
  const list = z.array(name).max(100)
  const fromWord = z.string().transform((word) => splitWords(word.toLowerCase()))
  return {
    ...options,
    schema: z.union([list, fromWord.pipe(list)]),
    fallback: [],
    allowed: 'names of hosts with commas between them, such as s3.example.com,s3.local',
    format: (names) => names.join(','),
    secret: false,
  }
}

/** What may be left out, such as a name that the machine has anyway. */
export function optionalText(options: { help: string; pattern: RegExp; allowed: string }): Setting<string | undefined> {
  const { pattern, ...rest } = options
  return {
    ...rest,
    schema: orNothing(z.string().regex(pattern)),
    fallback: undefined,
    format: (word) => word ?? '',
    secret: false,
  }
}

/** What opens something once and for a short while: it may be a flag, and is never shown. */
export function ticket(options: { readonly help: string; readonly allowed: string }): Setting<string | undefined> {
  const format = (word: string | undefined) => (word === undefined ? '' : '(set)')
  return { ...options, schema: orNothing(z.string()), fallback: undefined, format, secret: false }
}

/** Some of `values`, each once, in a file as a list or as text with commas. */
export function someOf<const T extends string>(options: { help: string; values: readonly T[] }): Setting<readonly T[]> {
  const { values, help } = options
  const list = z
    .array(z.enum(values))
    .min(1)
    .refine((words) => new Set(words).size === words.length)
  const schema = z.union([list, z.string().transform(splitWords).pipe(list)])
  const allowed = `at least one of ${values.join(', ')}, with commas between them`
  return { help, schema, fallback: values, allowed, format: (words) => words.join(','), secret: false }
}

/** Where something listens. */
export interface HostAndPort {
  readonly host: string
  readonly port: number
}

/** Addresses with ports, in a file as a list or as text with commas. */
export function addresses(options: { readonly help: string; readonly max: number }): Setting<readonly HostAndPort[]> {
  const { help, max } = options
  const address = z.string().transform((word, context) => {
    const [, bracketed, plain, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/.exec(word) ?? []
    const number = Number(port)
    if (port !== undefined && number >= 1 && number <= 65_535) return { host: bracketed ?? plain ?? '', port: number }
    context.addIssue('unreadable')
    return z.NEVER
  })
  const list = z.array(address).max(max)
  return {
    help,
    schema: z.union([list, z.string().transform(splitWords).pipe(list)]),
    fallback: [],
    allowed: `at most ${max} addresses with commas between them, such as node1.example.com:7402,[2001:db8::2]:7402`,
    format: (given) => given.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(','),
    secret: false,
  }
}

/** Where programs are that speak HTTP, in a file as a list or as text with commas. */
export function urls(options: { readonly help: string; readonly max: number }): Setting<readonly string[]> {
  const { help, max } = options
  const url = z.string().regex(/^https?:\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253}):\d{1,5}$/)
  const list = z.array(url).max(max)
  return {
    help,
    schema: z.union([list, z.string().transform(splitWords).pipe(list)]),
    fallback: [],
    allowed: `at most ${max} URLs with commas between them, such as https://etcd1.example.com:2379`,
    format: (given) => given.join(','),
    secret: false,
  }
}

/** Empty text says nothing. */
function orNothing<T>(schema: z.ZodType<T>): z.ZodType<T | undefined> {
  return z.union([z.literal('').transform(() => undefined), schema])
}

function splitWords(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

export function count(options: Description<number> & Bounds): Setting<number> {
  const parse = (word: string) => (/^\d+$/.test(word) ? Number(word) : undefined)
  return quantity({ ...options, parse, format: String, allowed: `a whole number from ${options.min} to ${options.max}` })
}

export function sizeBytes(options: Description<number> & Bounds): Setting<number> {
  const allowed = `a size from ${formatSize(options.min)} to ${formatSize(options.max)}, such as 64KiB, 1.5GB or 65536`
  return quantity({ ...options, parse: parseSize, format: formatSize, allowed })
}

export function optionalSizeBytes(options: Bounds & { readonly help: string }): Setting<number | undefined> {
  const { schema, format, ...rest } = sizeBytes({ ...options, fallback: options.min })
  return {
    ...rest,
    fallback: undefined,
    schema: orNothing(schema),
    format: (value) => (value === undefined ? '' : format(value)),
  }
}

export function durationMs(options: Description<number> & Bounds): Setting<number> {
  const allowed = `a duration from ${formatDuration(options.min)} to ${formatDuration(options.max)}, such as 500ms, 30s or 7d`
  return quantity({ ...options, parse: parseDuration, format: formatDuration, allowed, needsUnit: true })
}

interface Quantity extends Description<number>, Bounds {
  readonly parse: (word: string) => number | undefined
  readonly format: (value: number) => string
  readonly allowed: string
  /** A bare number would leave the reader guessing. */
  readonly needsUnit?: boolean
}

function quantity({ fallback, help, min, max, parse, format, allowed, needsUnit = false }: Quantity): Setting<number> {
  const fromWord = z.string().transform((word, context) => {
    const value = parse(word)
    if (value !== undefined) return value
    context.addIssue('unreadable')
    return z.NEVER
  })
  const schema = (needsUnit ? fromWord : z.union([z.number(), fromWord])).pipe(z.number().int().min(min).max(max))
  return { fallback, help, schema, allowed, format, secret: false }
}
