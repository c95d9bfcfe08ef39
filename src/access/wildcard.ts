const ANY = -1
const ONE = -2

type Piece = { readonly codes: readonly number[] } | { readonly variable: string; readonly fallback: string | undefined }

/** A pattern of a policy: `*` stands for any characters, even none or slashes, `?` for exactly one. Where variables are
 *  known, `${aws:username}` stands for a value of the request, whose own `*` and `?` mean nothing, and `${*}`, `${?}` and
 *  `${$}` for these characters (IAM User Guide, "Policy variables"). Matching takes time in proportion to the product of
 *  both lengths at worst. */
export class Wildcard {
  readonly text: string
  readonly hasVariables: boolean
  readonly #pieces: readonly Piece[]
  readonly #codes: readonly number[]

  /** `exact`: stars and question marks are characters like others. */
  constructor(text: string, options: { readonly variables?: boolean; readonly exact?: boolean } = {}) {
    const codesOf = options.exact === true ? exactCodes : wildCodes
    this.text = text
    this.#pieces = options.variables === true ? cut(text, codesOf) : [{ codes: codesOf(text) }]
    this.hasVariables = this.#pieces.some((piece) => 'variable' in piece)
    this.#codes = this.hasVariables ? [] : this.#pieces.flatMap((piece) => ('codes' in piece ? piece.codes : []))
  }

  /** A variable that `valueOf` doesn't know, and that has no default, matches nothing. */
  matches(subject: string, valueOf: (variable: string) => string | undefined = () => undefined): boolean {
    if (!this.hasVariables) return match(this.#codes, subject)
    const codes: number[] = []
    for (const piece of this.#pieces) {
      if ('codes' in piece) {
        codes.push(...piece.codes)
        continue
      }
      const value = valueOf(piece.variable) ?? piece.fallback
      if (value === undefined) return false
      codes.push(...exactCodes(value))
    }
    return match(codes, subject)
  }
}

function cut(text: string, codesOf: (text: string) => number[]): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  for (const found of text.matchAll(/\$\{([^{}]*)\}/g)) {
    const [whole, inside] = found as unknown as [string, string]
    pieces.push({ codes: codesOf(text.slice(at, found.index)) })
    at = found.index + whole.length
    if (inside === '*' || inside === '?' || inside === '$') {
      pieces.push({ codes: [inside.charCodeAt(0)] })
      continue
    }
    const [, variable = '', fallback] = /^\s*([^,\s]*)\s*(?:,\s*'([^']*)'\s*)?$/.exec(inside) ?? []
    pieces.push({ variable: variable.toLowerCase(), fallback })
  }
  pieces.push({ codes: codesOf(text.slice(at)) })
  return pieces
}

function exactCodes(text: string): number[] {
  return Array.from({ length: text.length }, (_, at) => text.charCodeAt(at))
}

function wildCodes(text: string): number[] {
  const codes: number[] = []
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    codes.push(code === 0x2a ? ANY : code === 0x3f ? ONE : code)
  }
  return codes
}

/** Goes back to the last `*` only: what an earlier one took could be taken by the later one as well. */
function match(codes: readonly number[], subject: string): boolean {
  let at = 0
  let of = 0
  let star = -1
  let starAt = 0
  while (at < subject.length) {
    const code = codes[of]
    if (code === ANY) {
      star = of
      starAt = at
      of += 1
    } else if (code === ONE) {
      at += lengthAt(subject, at)
      of += 1
    } else if (code === subject.charCodeAt(at)) {
      at += 1
      of += 1
    } else if (star !== -1) {
      starAt += lengthAt(subject, starAt)
      at = starAt
      of = star + 1
    } else return false
  }
  while (codes[of] === ANY) of += 1
  return of === codes.length
}

/** How many units the character has. */
function lengthAt(subject: string, at: number): number {
  return (subject.codePointAt(at) as number) > 0xffff ? 2 : 1
}
