// MD5 (RFC 1321) as WebAssembly, of four or eight streams side by side. A digest is one long chain of steps, each of which waits for the one before:
// vector instructions do the same step for four streams, and a second group of four fills the time in which the first one waits.

import { get, I32, i32, repeat, set, tee, V128, v128, wasmModule } from './wasm-code.ts'
import type { Code, WasmFunction } from './wasm-code.ts'

export const LANES_MAX = 8
export const BLOCK_BYTES = 64
export const STATE_WORDS = 4
/** How much of a stream there can be in the memory. Eight such slices stay in a core's cache. */
export const SLICE_BYTES = 32 * 1024

const GROUP = 4
const WORD_BYTES = 4
const VECTOR_BYTES = 16
const STEPS = 64
const WORDS = 16

/** Of the memory: states (word by word, each for all streams), constants of the steps (each four times), words of a block, slices. */
const CONSTANTS_AT = STATE_WORDS * LANES_MAX * WORD_BYTES
const WORDS_AT = CONSTANTS_AT + STEPS * VECTOR_BYTES
const SLICES_AT = WORDS_AT + WORDS * LANES_MAX * WORD_BYTES
/** A little more than a slice, so that the same place of all of them isn't the same place of the cache. */
const SLICE_STRIDE = SLICE_BYTES + 5 * BLOCK_BYTES
const PAGES = Math.ceil((SLICES_AT + LANES_MAX * SLICE_STRIDE) / 65_536)

const SHIFTS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const
const CONSTANTS = Array.from({ length: STEPS }, (_, step) => Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32))

export const sliceAt = (lane: number): number => SLICES_AT + lane * SLICE_STRIDE
export const stateAt = (word: number, lane: number): number => (word * LANES_MAX + lane) * WORD_BYTES

/** Digests so many blocks of each stream's slice; one at least. */
export type DigestBlocks = (blocks: number) => void

export interface Md5Code {
  readonly memory: Uint8Array
  readonly one: DigestBlocks
  readonly four: DigestBlocks
  readonly eight: DigestBlocks
}

interface Exports {
  readonly memory: WebAssembly.Memory
  readonly one: DigestBlocks
  readonly four: DigestBlocks
  readonly eight: DigestBlocks
}

export function compileMd5(): Md5Code {
  const module = new WebAssembly.Module(wasmModule([ofOne(), ofGroups('four', 1), ofGroups('eight', 2)], PAGES))
  const { memory, one, four, eight } = new WebAssembly.Instance(module).exports as unknown as Exports
  new Uint32Array(memory.buffer, CONSTANTS_AT, STEPS * GROUP).set(
    CONSTANTS.flatMap((constant) => Array<number>(GROUP).fill(constant)),
  )
  return { memory: new Uint8Array(memory.buffer), one, four, eight }
}

/** Locals of every function: the blocks that are left (its parameter), and where in the slices the next one begins. */
const LEFT = 0
const AT = 1
const FIRST_FREE = 2
const ZERO = i32.constant(0)

interface Arithmetic {
  readonly add: Code
  readonly and: Code
  /** The first operand and not the second. */
  readonly andnot: Code
  readonly or: Code
  readonly xor: Code
  readonly not: Code
}

/** Locals of a state, in the order in which the next step uses them. */
type State = readonly [number, number, number, number]

const ONES = i32.constant(-1)
const SCALAR: Arithmetic = { ...i32, not: [...ONES, ...i32.xor], andnot: [...ONES, ...i32.xor, ...i32.and] }

function ofOne(): WasmFunction {
  const registers: State = [FIRST_FREE, FIRST_FREE + 1, FIRST_FREE + 2, FIRST_FREE + 3]
  const code: number[] = []
  for (const [word, local] of registers.entries()) code.push(...ZERO, ...i32.load(stateAt(word, 0)), ...set(local))
  let state = registers
  for (let step = 0; step < STEPS; step += 1) {
    const word = [...get(AT), ...i32.load(sliceAt(0) + wordOf(step) * WORD_BYTES)]
    code.push(...get(state[0]), ...word, ...i32.add, ...i32.constant(CONSTANTS[step] as number), ...i32.add)
    code.push(...addMixed(SCALAR, step, state), ...i32.constant(shiftOf(step)), ...i32.rotl, ...get(state[1]), ...i32.add)
    code.push(...set(state[0]))
    state = [state[3], state[0], state[1], state[2]]
  }
  for (const [word, local] of registers.entries()) {
    const before = [...ZERO, ...i32.load(stateAt(word, 0))]
    code.push(...ZERO, ...before, ...get(local), ...i32.add, ...i32.store(stateAt(word, 0)))
  }
  return { name: 'one', parameters: 1, locals: Array<number>(1 + STATE_WORDS).fill(I32), code: repeat([...code, ...nextBlock()]) }
}

/** Locals of a group of four streams: their state, and four for what is in between. */
function localsOf(group: number): { readonly registers: State; readonly free: State } {
  const at = FIRST_FREE + group * 2 * STATE_WORDS
  return { registers: [at, at + 1, at + 2, at + 3], free: [at + 4, at + 5, at + 6, at + 7] }
}

function ofGroups(name: string, groups: number): WasmFunction {
  const all = Array.from({ length: groups }, (_, group) => ({ group, ...localsOf(group) }))
  const code: number[] = []
  for (const { group, registers, free } of all) {
    code.push(...gatherWords(group, free))
    for (const [word, local] of registers.entries()) code.push(...loadVector(stateAt(word, group * GROUP)), ...set(local))
  }
  const states = all.map(({ registers }) => registers)
  for (let step = 0; step < STEPS; step += 1) {
    for (const { group, free } of all) {
      const state = states[group] as State
      code.push(...vectorStep(step, group, { state, scratch: free[0] }))
      states[group] = [state[3], state[0], state[1], state[2]]
    }
  }
  for (const { group, registers } of all) {
    for (const [word, local] of registers.entries()) {
      const at = stateAt(word, group * GROUP)
      code.push(...ZERO, ...loadVector(at), ...get(local), ...v128.add, ...v128.store(at))
    }
  }
  const vectors = Array<number>(groups * 2 * STATE_WORDS).fill(V128)
  return { name, parameters: 1, locals: [I32, ...vectors], code: repeat([...code, ...nextBlock()]) }
}

function vectorStep(step: number, group: number, { state, scratch }: { state: State; scratch: number }): Code {
  const by = shiftOf(step)
  return [
    ...[...loadVector(wordsAt(wordOf(step), group)), ...loadVector(CONSTANTS_AT + step * VECTOR_BYTES), ...v128.add],
    ...[...get(state[0]), ...v128.add],
    ...addMixed(v128, step, state),
    // Rotated to the left.
    ...[...tee(scratch), ...i32.constant(by), ...v128.shl, ...get(scratch), ...i32.constant(32 - by), ...v128.shr, ...v128.or],
    ...[...get(state[1]), ...v128.add, ...set(state[0])],
  ]
}

/** Adds F, G, H or I of RFC 1321, section 3.4, in forms in which the newest word, `b`, comes in last. */
function addMixed({ add, and, andnot, or, xor, not }: Arithmetic, step: number, [, b, c, d]: State): Code {
  switch (step >> 4) {
    case 0:
      return [...get(c), ...get(d), ...xor, ...get(b), ...and, ...get(d), ...xor, ...add]
    case 1:
      return [...get(c), ...get(d), ...andnot, ...add, ...get(d), ...get(b), ...and, ...add]
    case 2:
      return [...get(c), ...get(d), ...xor, ...get(b), ...xor, ...add]
    default:
      return [...get(d), ...not, ...get(b), ...or, ...get(c), ...xor, ...add]
  }
}

function wordOf(step: number): number {
  return ([step, 5 * step + 1, 3 * step + 5, 7 * step][step >> 4] as number) % WORDS
}

function shiftOf(step: number): number {
  return (SHIFTS[step >> 4] as readonly number[])[step % 4] as number
}

const loadVector = (at: number): Code => [...ZERO, ...v128.load(at)]
const wordsAt = (word: number, group: number): number => WORDS_AT + (group * WORDS + word) * VECTOR_BYTES

/** Puts each word of the four streams' blocks together: matrices of 4 × 4 words, transposed. */
function gatherWords(group: number, [first, second, third, fourth]: State): Code {
  const code: number[] = []
  const pair = (one: number, other: number, lanes: readonly number[]): Code => [
    ...get(one),
    ...get(other),
    ...v128.shuffle(lanes),
  ]
  for (let word = 0; word < WORDS; word += 4) {
    for (const [lane, local] of [first, second, third, fourth].entries())
      code.push(...get(AT), ...v128.load(sliceAt(group * GROUP + lane) + word * WORD_BYTES), ...set(local))
    code.push(...pair(first, second, LOW_WORDS), ...pair(first, second, HIGH_WORDS), ...set(second), ...set(first))
    code.push(...pair(third, fourth, LOW_WORDS), ...pair(third, fourth, HIGH_WORDS), ...set(fourth), ...set(third))
    for (const [at, [one, other, lanes]] of [
      [first, third, LOW_PAIRS] as const,
      [first, third, HIGH_PAIRS] as const,
      [second, fourth, LOW_PAIRS] as const,
      [second, fourth, HIGH_PAIRS] as const,
    ].entries())
      code.push(...ZERO, ...pair(one, other, lanes), ...v128.store(wordsAt(word + at, group)))
  }
  return code
}

const LOW_WORDS = [0, 4, 1, 5]
const HIGH_WORDS = [2, 6, 3, 7]
const LOW_PAIRS = [0, 1, 4, 5]
const HIGH_PAIRS = [2, 3, 6, 7]

function nextBlock(): Code {
  return [
    ...[...get(AT), ...i32.constant(BLOCK_BYTES), ...i32.add, ...set(AT)],
    ...[...get(LEFT), ...i32.constant(1), ...i32.sub, ...tee(LEFT)],
  ]
}
