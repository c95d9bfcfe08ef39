/** What a list of signed headers comes to for a request with such names of headers, in that order: a client sends the same with each of its requests. */
interface Plan {
  /** The names as they came. */
  readonly sent: readonly string[]
  /** Of those that have to be signed, those that aren't. */
  readonly unsigned: readonly string[]
  readonly lines: readonly Line[]
}

/** Of a signed header, and where its values are in `rawHeaders`. */
interface Line {
  readonly begin: string
  readonly first: number | undefined
  readonly others: readonly number[]
}

/** Of requests with more no plan is kept. */
const KEPT_NAMES_MAX = 64

/** The headers that a signature says it covers. */
export class SignedHeaders {
  /** In lower case. */
  readonly names: readonly string[]
  /** As the canonical form ends with it. */
  readonly text: string
  readonly #hasHost: boolean
  /** Of the request before. It is of names alone, so whatever values come with the same ones are read anew. */
  #lately: Plan | undefined = undefined

  constructor(names: readonly string[]) {
    this.names = names
    this.text = names.join(';')
    this.#hasHost = names.includes('host')
  }

  /** Whoever passes a signed request on must not be able to add what changes its meaning: what of it isn't covered, and has to be.
   *  `rawHeaders` are names and values in turn, as node:http has them. */
  missing(rawHeaders: readonly string[]): readonly string[] {
    return this.#hasHost ? this.#planFor(rawHeaders).unsigned : ['host']
  }

  /** A line for each signed header: values trimmed, runs of spaces as one, those of a repeated header joined by commas. */
  lines(rawHeaders: readonly string[]): string {
    let lines = ''
    for (const { begin, first, others } of this.#planFor(rawHeaders).lines) {
      lines += begin
      if (first !== undefined) lines += canonicalValue(rawHeaders[first] as string)
      for (const other of others) lines += `,${canonicalValue(rawHeaders[other] as string)}`
      lines += '\n'
    }
    return lines
  }

  #planFor(rawHeaders: readonly string[]): Plan {
    if (this.#lately !== undefined && hasNames(rawHeaders, this.#lately.sent)) return this.#lately
    const plan = this.#plan(rawHeaders)
    if (plan.sent.length <= KEPT_NAMES_MAX) this.#lately = plan
    return plan
  }

  #plan(rawHeaders: readonly string[]): Plan {
    const sent: string[] = []
    const unsigned: string[] = []
    const values = new Map<string, number[]>(this.names.map((name) => [name, []]))
    for (let at = 0; at < rawHeaders.length; at += 2) {
      sent.push(rawHeaders[at] as string)
      const name = (rawHeaders[at] as string).toLowerCase()
      const found = values.get(name)
      if (found !== undefined) found.push(at + 1)
      else if (name.startsWith('x-amz-')) unsigned.push(name)
    }
    const lines = Array.from(values, ([name, [first, ...others]]) => ({ begin: `${name}:`, first, others }))
    return { sent, unsigned, lines }
  }
}

function hasNames(rawHeaders: readonly string[], names: readonly string[]): boolean {
  if (rawHeaders.length !== 2 * names.length) return false
  for (let at = 0; at < names.length; at += 1) if (rawHeaders[2 * at] !== names[at]) return false
  return true
}

function canonicalValue(value: string): string {
  const trimmed = value.trim()
  return trimmed.includes('  ') ? trimmed.replace(/ {2,}/g, ' ') : trimmed
}
