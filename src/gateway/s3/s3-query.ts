import { percentDecode } from '#gateway/http/target.ts'
import { S3Error } from './s3-error.ts'

/** The parameters of a query, decoded as S3 does: `+` is a space, a name without `=` has the empty value. */
export class S3Query {
  readonly #values: ReadonlyMap<string, string>

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values
  }

  /** @throws InvalidArgument for a parameter given twice: whichever counts, somebody else would take the other;
   *  INVALID_PATH for a broken percent-encoding */
  static parse(query: string): S3Query {
    if (query === '') return NO_QUERY
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
    return new S3Query(values)
  }

  /** Strings are as `decodeName` makes them: not well-formed where the bytes were not UTF-8. */
  get(name: string): string | undefined {
    return this.#values.get(name)
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

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
}

const NO_QUERY = new S3Query(new Map())

function decode(text: string): string {
  return percentDecode(text.includes('+') ? text.replaceAll('+', ' ') : text)
}
