import { validateHeaderName } from 'node:http'

/** What a name of a header means for the head that it is in. Of the last, node:http knows more than what is here. */
type Meaning = 'plain' | 'length' | 'connection' | 'other'

const MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ['content-length', 'length'],
  ['connection', 'connection'],
  ...['content-disposition', 'date', 'expect', 'te', 'trailer', 'transfer-encoding', 'upgrade'].map(
    (name) => [name, 'other'] as const,
  ),
])
/** Those whose values are mostly what they were in the answer before. */
const REPEATED: ReadonlySet<string> = new Set(['accept-ranges', 'content-length', 'content-type', 'keep-alive'])

/** A name as it was written lately, which can be one. */
interface KnownName {
  readonly meaning: Meaning
  readonly begin: string
  /** Whether the line before is worth keeping: it isn't for what differs each time. */
  readonly isRepeated: boolean
  value: string | undefined
  line: string
}

const known = new Map<string, KnownName>()
const KNOWN_MAX = 1_024
const KNOWN_LENGTH_MAX = 64

/** A field's value can't have others, a line break above all (RFC 9110, section 5.5). */
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/

export interface FieldLines {
  readonly lines: string
  /** The announced length, as it is written. */
  readonly length: string
  readonly closes: boolean
}

/** The lines of the fields of an answer whose length they announce, as node:http writes them: names are judged once, values each time. `headers` are names and
 *  values in turn. `undefined` for all that is to be left to node:http: fields that mean more to it than a line, and those that it refuses. */
export function fieldLines(headers: readonly string[]): FieldLines | undefined {
  let lines = ''
  let length: string | undefined
  let closes = false
  for (let at = 0; at < headers.length; at += 2) {
    const value = headers[at + 1]
    const name = known.get(headers[at] as string) ?? nameOf(headers[at] as string)
    const { meaning } = name
    if (value === undefined || value !== name.value) {
      if (typeof value !== 'string' || FORBIDDEN.test(value)) return undefined
      lines += `${name.begin}${value}\r\n`
      if (name.isRepeated && value.length <= KNOWN_LENGTH_MAX) keepLine(name, value)
    } else lines += name.line
    if (meaning === 'length' && length === undefined) length = value
    else if (meaning === 'connection' && value === 'close') closes = true
    else if (meaning !== 'plain') return undefined
  }
  return length === undefined ? undefined : { lines, length, closes }
}

function keepLine(name: KnownName, value: string): void {
  name.value = value
  name.line = `${name.begin}${value}\r\n`
}

function nameOf(text: string): KnownName {
  const name: KnownName = { meaning: 'other', begin: `${text}: `, isRepeated: false, value: undefined, line: '' }
  try {
    validateHeaderName(text)
  } catch {
    return name
  }
  const lower = text.toLowerCase()
  const valid = { ...name, meaning: MEANINGS.get(lower) ?? 'plain', isRepeated: REPEATED.has(lower) }
  if (text.length <= KNOWN_LENGTH_MAX) {
    if (known.size >= KNOWN_MAX) known.clear()
    known.set(text, valid)
  }
  return valid
}
