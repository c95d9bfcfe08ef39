import type { Model } from './linearizability.ts'

/** Two names that clients write, read, remove and move. */
export type FileName = 'a' | 'b'

/** What a client asked for, with what it was told. A `seen` of `null`: nothing was there. Where an answer is lacking
 *  (`isKnown: false`) it may have taken effect or not. */
export type FileCall =
  | { readonly kind: 'write'; readonly name: FileName; readonly value: string }
  | { readonly kind: 'read'; readonly name: FileName; readonly seen: string | null }
  | { readonly kind: 'remove'; readonly name: FileName; readonly isFound: boolean; readonly isKnown: boolean }
  | { readonly kind: 'rename'; readonly from: FileName; readonly isFound: boolean; readonly isKnown: boolean }

export interface Files {
  readonly a: string | null
  readonly b: string | null
}

/** What the two may be, one operation at a time. */
export const fileGroup: Model<Files, FileCall> = {
  initial: { a: null, b: null },
  step(state, call) {
    if (call.kind === 'write') return { ...state, [call.name]: call.value }
    if (call.kind === 'read') return state[call.name] === call.seen ? state : undefined
    const name = call.kind === 'remove' ? call.name : call.from
    const isThere = state[name] !== null
    if (call.isKnown && call.isFound !== isThere) return undefined
    if (!isThere) return state
    if (call.kind === 'remove') return { ...state, [name]: null }
    return name === 'a' ? { a: null, b: state.a } : { a: state.b, b: null }
  },
  keyOf: ({ a, b }) => `${a}|${b}`,
}
