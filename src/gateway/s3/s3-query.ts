import { percentDecode } from '#gateway/http/target.ts'
import { S3Error } from './s3-error.ts'

const SIGNATURE = 'X-Amz-Signature'
/** What the last parameter of a presigned address is, as all common clients write it. */
const SIGNATURE_PARAMETER = `&${SIGNATURE}=`
const SIGNATURE_LENGTH = 64
const SIGNATURE_FORM = /^[0-9a-f]{64}$/

/** Beginnings of queries read lately. */
const known = new Map<string, S3Query>()
const KNOWN_MAX = 1_024
const KNOWN_LENGTH_MAX = 1_024

/** The parameters of a query, decoded as S3 does: `+` is a space, a name without `=` has the empty value. */
export class S3Query {
  /** As it came; of a presigned one that ends with its signature, what is before that. */
  readonly text: string
  /** 64 hexadecimal digits, where they are the end of it. */
  readonly signature: string | undefined
  readonly #values: ReadonlyMap<string, string>
  /** What is before the signature, by itself. */
  readonly #beginning: S3Query | undefined
  #derived: Map<unknown, unknown> | undefined = undefined

  private constructor(text: string, values: ReadonlyMap<string, string>, signed?: { beginning: S3Query; signature: string }) {
    this.text = text
    this.#values = values
    this.#beginning = signed?.beginning
    this.signature = signed?.signature
  }

  /** @throws InvalidArgument for a parameter given twice: whichever counts, somebody else would take the other;
   *  INVALID_PATH for a broken percent-encoding */
  static parse(query: string): S3Query {
    if (query === '') return NO_QUERY
    const end = query.length - SIGNATURE_LENGTH
    const at = end - SIGNATURE_PARAMETER.length
    if (at > 0 && at <= KNOWN_LENGTH_MAX && query.startsWith(SIGNATURE_PARAMETER, at)) {
      const signature = query.slice(end)
      const beginning = SIGNATURE_FORM.test(signature) ? S3Query.#beginningOf(query.slice(0, at)) : undefined
      if (beginning !== undefined) return new S3Query(beginning.text, beginning.#values, { beginning, signature })
    }
    return new S3Query(query, read(query))
  }

  /** Addresses that one client presigns within a second begin alike for all objects: such a beginning is read once.
   *  `undefined` for one that has a signature itself. @throws as `parse` does */
  static #beginningOf(slice: string): S3Query | undefined {
    const found = known.get(slice)
    if (found !== undefined) return found
    // A slice, and what is cut out of it, would keep all of the address it is of.
    const text = Buffer.from(slice).toString()
    const values = read(text)
    if (values.has(SIGNATURE)) return undefined
    const beginning = new S3Query(text, values)
    if (known.size >= KNOWN_MAX) known.clear()
    known.set(text, beginning)
    return beginning
  }

  /** What follows from all but the signature: worked out once for queries that begin alike. @throws what `derive` throws */
  derive<T>(derive: (query: S3Query) => T): T {
    const beginning = this.#beginning
    if (beginning === undefined) return derive(this)
    const derived = (beginning.#derived ??= new Map<unknown, unknown>())
    let value = derived.get(derive) as T | undefined
    if (value === undefined) {
      value = derive(beginning)
      derived.set(derive, value)
    }
    return value
  }

  /** Strings are as `decodeName` makes them: not well-formed where the bytes were not UTF-8. */
  get(name: string): string | undefined {
    return name === SIGNATURE && this.signature !== undefined ? this.signature : this.#values.get(name)
  }

  has(name: string): boolean {
    return this.#values.has(name) || (name === SIGNATURE && this.signature !== undefined)
  }

  /** All but the signature. */
  names(): IterableIterator<string> {
    return this.#values.keys()
  }

  /** A whole number within bounds. @throws InvalidArgument naming it */
  integer(name: string, bounds: { readonly min: number; readonly max: number }): number | undefined {
    const text = this.#values.get(name)
    if (text === undefined) return undefined
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (value >= bounds.min && value <= bounds.max) return value
    throw new S3Error(
      'InvalidArgument',
      `The query parameter ${name} is "${text.slice(0, 80)}": a whole number from ${bounds.min} to ${bounds.max} is expected`,
      { elements: { ArgumentName: name, ArgumentValue: text.slice(0, 80) } },
    )
  }

  static readonly NONE: S3Query = new S3Query('', new Map())
}

const NO_QUERY = S3Query.NONE

function read(query: string): Map<string, string> {
  const values = new Map<string, string>()
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decode(equals === -1 ? pair : pair.slice(0, equals))
    if (values.has(name)) {
      throw new S3Error('InvalidArgument', `The query parameter "${name.slice(0, 80)}" is given more than once`, {
        elements: { ArgumentName: name.slice(0, 80) },
      })
    }
    values.set(name, equals === -1 ? '' : decode(pair.slice(equals + 1)))
  }
  return values
}

function decode(text: string): string {
  return percentDecode(text.includes('+') ? text.replaceAll('+', ' ') : text)
}
