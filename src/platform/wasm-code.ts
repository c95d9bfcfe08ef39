// A writer of WebAssembly modules, as far as this project makes any (WebAssembly Core Specification 2.0, section 5, "Binary Format").

/** Instructions, one after another. */
export type Code = readonly number[]

export const I32 = 0x7f
export const V128 = 0x7b

const EMPTY_BLOCK = 0x40

/** An unsigned number, in LEB128. */
function unsigned(value: number): number[] {
  const bytes = []
  let left = value
  do {
    bytes.push(left > 0x7f ? (left & 0x7f) | 0x80 : left)
    left >>>= 7
  } while (left > 0)
  return bytes
}

/** A number of 32 bits with its sign, in LEB128. */
function signed(value: number): number[] {
  const bytes = []
  let left = value | 0
  for (;;) {
    const low = left & 0x7f
    left >>= 7
    const isLast = (left === 0 && (low & 0x40) === 0) || (left === -1 && (low & 0x40) !== 0)
    bytes.push(isLast ? low : low | 0x80)
    if (isLast) return bytes
  }
}

export const get = (local: number): Code => [0x20, ...unsigned(local)]
export const set = (local: number): Code => [0x21, ...unsigned(local)]
export const tee = (local: number): Code => [0x22, ...unsigned(local)]

export const i32 = {
  constant: (value: number): Code => [0x41, ...signed(value)],
  load: (offset: number): Code => [0x28, 2, ...unsigned(offset)],
  store: (offset: number): Code => [0x36, 2, ...unsigned(offset)],
  sub: [0x6b] as Code,
  add: [0x6a] as Code,
  and: [0x71] as Code,
  or: [0x72] as Code,
  xor: [0x73] as Code,
  rotl: [0x77] as Code,
}

const simd = (opcode: number, ...rest: readonly number[]): Code => [0xfd, ...unsigned(opcode), ...rest]

export const v128 = {
  load: (offset: number): Code => simd(0x00, 0, ...unsigned(offset)),
  store: (offset: number): Code => simd(0x0b, 0, ...unsigned(offset)),
  /** Lanes of 32 bits: 0 to 3 of the first operand, 4 to 7 of the second. */
  shuffle: (lanes: readonly number[]): Code =>
    simd(0x0d, ...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte))),
  not: simd(0x4d),
  and: simd(0x4e),
  /** The first and not the second. */
  andnot: simd(0x4f),
  or: simd(0x50),
  xor: simd(0x51),
  /** In lanes of 32 bits, by a number of type `I32`. */
  shl: simd(0xab),
  shr: simd(0xad),
  /** In lanes of 32 bits. */
  add: simd(0xae),
}

/** Repeats `body`, which leaves a number of type `I32`, until that is 0; once at least. */
export function repeat(body: Code): Code {
  return [0x03, EMPTY_BLOCK, ...body, 0x0d, 0, 0x0b]
}

export interface WasmFunction {
  readonly name: string
  /** Numbers of type `I32`: its first locals. None is returned. */
  readonly parameters: number
  /** Types of its further locals. */
  readonly locals: readonly number[]
  readonly code: Code
}

const vector = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()]
const section = (id: number, content: Code): number[] => [id, ...unsigned(content.length), ...content]
const text = (name: string): number[] => [...unsigned(name.length), ...Buffer.from(name, 'latin1')]

/** A module that exports `memory`, of `pages` of 64 KiB, and functions. */
export function wasmModule(functions: readonly WasmFunction[], pages: number): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters }) => [0x60, ...vector(Array.from({ length: parameters }, () => [I32])), 0])
  const exported = [[...text('memory'), 2, 0], ...functions.map(({ name }, at) => [...text(name), 0, ...unsigned(at)])]
  const bodies = functions.map(({ locals, code }) => {
    const body = [...vector(locals.map((type) => [1, type])), ...code, 0x0b]
    return [...unsigned(body.length), ...body]
  })
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(3, vector(functions.map((_, at) => unsigned(at)))),
    ...section(5, vector([[0, ...unsigned(pages)]])),
    ...section(7, vector(exported)),
    ...section(10, vector(bodies)),
  ])
}
