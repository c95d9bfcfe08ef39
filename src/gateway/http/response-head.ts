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
/** Of names as they were written lately, each of which can be one. */
const known = new Map<string, Meaning>()
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
    const name = headers[at] as string
    const value = headers[at + 1]
    if (typeof value !== 'string' || FORBIDDEN.test(value)) return undefined
    const meaning = known.get(name) ?? meaningOf(name)
    if (meaning === 'length' && length === undefined) length = value
    else if (meaning === 'connection' && value === 'close') closes = true
    else if (meaning !== 'plain') return undefined
    lines += `${name}: ${value}\r\n`
  }
  return length === undefined ? undefined : { lines, length, closes }
}

function meaningOf(name: string): Meaning {
  try {
    validateHeaderName(name)
  } catch {
    return 'other'
  }
  const meaning = MEANINGS.get(name.toLowerCase()) ?? 'plain'
  if (name.length <= KNOWN_LENGTH_MAX) {
    if (known.size >= KNOWN_MAX) known.clear()
    known.set(name, meaning)
  }
  return meaning
}
