import { percentDecode } from '#gateway/http/target.ts'
import { S3Error } from './s3-error.ts'

const SIGNATURE = 'X-Amz-Signature'
const DATE = 'X-Amz-Date'
/** What the last parameter of a presigned address is, and one before it, as most clients write them. */
const SIGNATURE_PARAMETER = `&${SIGNATURE}=`
const DATE_PARAMETER = `&${DATE}=`
const SIGNATURE_LENGTH = 64
const SIGNATURE_FORM = /^[0-9a-f]{64}$/
const DATE_FORM = /^\d{8}T\d{6}Z$/
/** In place of the date of a presigned address, in what is kept for all dates. */
export const NO_DATE = '00000000T000000Z'

/** What presigned queries read lately have beside their dates and signatures. */
const known = new Map<string, S3Query>()
const KNOWN_MAX = 1_024
const KNOWN_LENGTH_MAX = 1_024

/** The parameters of a query, decoded as S3 does: `+` is a space, a name without `=` has the empty value. */
export class S3Query {
  /** As it came; of what is kept for all dates and signatures, with `NO_DATE` and without the latter. */
  readonly text: string
  /** Of a presigned query of which all else may be kept: when it was signed, in the form of a date, and 64 hexadecimal digits. */
  readonly stamp: { readonly date: string; readonly signature: string } | undefined
  readonly #values: ReadonlyMap<string, string>
  /** All but the stamp. */
  readonly #rest: S3Query | undefined
  #derived: Map<unknown, unknown> | undefined = undefined

  private constructor(
    text: string,
    values: ReadonlyMap<string, string>,
    stamped?: { rest: S3Query; stamp: { date: string; signature: string } },
  ) {
    this.text = text
    this.#values = values
    this.#rest = stamped?.rest
    this.stamp = stamped?.stamp
  }

  /** @throws InvalidArgument for a parameter given twice: whichever counts, somebody else would take the other;
   *  INVALID_PATH for a broken percent-encoding */
  static parse(query: string): S3Query {
    if (query === '') return NO_QUERY
    return S3Query.#stamped(query) ?? new S3Query(query, read(query))
  }

  /** One client's presigned addresses differ in when they were signed, and in their signatures: all else is read once.
   *  `undefined` for others. @throws as `parse` does */
  static #stamped(query: string): S3Query | undefined {
    const end = query.length - SIGNATURE_LENGTH
    const at = end - SIGNATURE_PARAMETER.length
    if (at <= 0 || at > KNOWN_LENGTH_MAX || !query.startsWith(SIGNATURE_PARAMETER, at)) return undefined
    const dateAt = query.indexOf(DATE_PARAMETER) + DATE_PARAMETER.length
    const dateEnd = dateAt + NO_DATE.length
    if (dateAt < DATE_PARAMETER.length || dateEnd > at || query.charCodeAt(dateEnd) !== 0x26) return undefined
    const stamp = { date: query.slice(dateAt, dateEnd), signature: query.slice(end) }
    if (!SIGNATURE_FORM.test(stamp.signature) || !DATE_FORM.test(stamp.date)) return undefined
    const rest = S3Query.#restOf(query.slice(0, dateAt) + NO_DATE + query.slice(dateEnd, at))
    return rest === undefined ? undefined : new S3Query(query, rest.#values, { rest, stamp })
  }

  /** `undefined` for one that has a signature itself. */
  static #restOf(pieces: string): S3Query | undefined {
    const found = known.get(pieces)
    if (found !== undefined) return found
    // What is cut out of an address would keep all of it.
    const text = Buffer.from(pieces).toString()
    const values = read(text)
    if (values.has(SIGNATURE)) return undefined
    const rest = new S3Query(text, values)
    if (known.size >= KNOWN_MAX) known.clear()
    known.set(text, rest)
    return rest
  }

  /** What follows from all but the stamp: worked out once for queries that differ in nothing else. @throws what `derive` throws */
  derive<T>(derive: (query: S3Query) => T): T {
    const rest = this.#rest
    if (rest === undefined) return derive(this)
    const derived = (rest.#derived ??= new Map<unknown, unknown>())
    let value = derived.get(derive) as T | undefined
    if (value === undefined) {
      value = derive(rest)
      derived.set(derive, value)
    }
    return value
  }

  /** Strings are as `decodeName` makes them: not well-formed where the bytes were not UTF-8. */
  get(name: string): string | undefined {
    if (this.stamp !== undefined && name === SIGNATURE) return this.stamp.signature
    if (this.stamp !== undefined && name === DATE) return this.stamp.date
    return this.#values.get(name)
  }

  has(name: string): boolean {
    return this.#values.has(name) || (name === SIGNATURE && this.stamp !== undefined)
  }

  /** All but the signature of a presigned address. */
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
