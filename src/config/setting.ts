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

export function text(options: Description<string>): Setting<string> {
  return { ...options, schema: z.string().min(1), allowed: "text that isn't empty", format: String, secret: false }
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
  const fromWord = z.string().transform((word) =>
    word
      .split(',')
      .map((part) => part.trim().toLowerCase())
      .filter((part) => part !== ''),
  )
  return {
    ...options,
    schema: z.union([list, fromWord.pipe(list)]),
    fallback: [],
    allowed: 'names of hosts with commas between them, such as s3.example.com,s3.local',
    format: (names) => names.join(','),
    secret: false,
  }
}

export function count(options: Description<number> & Bounds): Setting<number> {
  const parse = (word: string) => (/^\d+$/.test(word) ? Number(word) : undefined)
  return quantity({ ...options, parse, format: String, allowed: `a whole number from ${options.min} to ${options.max}` })
}

export function sizeBytes(options: Description<number> & Bounds): Setting<number> {
  const allowed = `a size from ${formatSize(options.min)} to ${formatSize(options.max)}, such as 64KiB, 1.5GB or 65536`
  return quantity({ ...options, parse: parseSize, format: formatSize, allowed })
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
