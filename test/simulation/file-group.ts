import type { Model } from './linearizability.ts'

/** Two names that clients write, read, remove, move, copy and change. */
export type FileName = 'a' | 'b'

/** What a client asked for, with what it was told. A `seen` of `null`: nothing was there. Where an answer is lacking
 *  (`isKnown: false`) it may have taken effect or not. */
export type FileCall =
  | { readonly kind: 'write'; readonly name: FileName; readonly value: string }
  | { readonly kind: 'read'; readonly name: FileName; readonly seen: string | null }
  | { readonly kind: 'list'; readonly seen: readonly FileName[] }
  | {
      readonly kind: 'create'
      readonly name: FileName
      readonly value: string
      readonly isNew: boolean
      readonly isKnown: boolean
    }
  | {
      readonly kind: 'replace'
      readonly name: FileName
      readonly value: string
      /** What was there when the tag was read that it asks for. */
      readonly seen: string
      readonly isMatched: boolean
      readonly isKnown: boolean
    }
  | (Found & { readonly kind: 'patch'; readonly name: FileName; readonly value: string })
  | (Found & { readonly kind: 'remove'; readonly name: FileName })
  | (Found & { readonly kind: 'rename' | 'copy'; readonly name: FileName })

interface Found {
  readonly isFound: boolean
  readonly isKnown: boolean
}

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
    if (call.kind === 'list') return call.seen.join() === namesIn(state).join() ? state : undefined
    if (call.kind === 'create') return created(state, call)
    if (call.kind === 'replace') return replaced(state, call)
    const { name, isFound, isKnown } = call
    const value = state[name]
    if (isKnown && isFound !== (value !== null)) return undefined
    if (value === null) return state
    if (call.kind === 'patch') return { ...state, [name]: patched(value, call.value) }
    if (call.kind === 'remove') return { ...state, [name]: null }
    const kept = call.kind === 'copy' ? value : null
    return name === 'a' ? { a: kept, b: value } : { a: value, b: kept }
  },
  keyOf: ({ a, b }) => `${a}|${b}`,
}

/** Only where there was nothing. */
function created(state: Files, { name, value, isNew, isKnown }: Extract<FileCall, { kind: 'create' }>): Files | undefined {
  const isFree = state[name] === null
  if (isKnown && isNew !== isFree) return undefined
  return isFree ? { ...state, [name]: value } : state
}

/** Only where there was what was seen. A refusal says less: the same value may be there again, under another tag. */
function replaced(
  state: Files,
  { name, value, seen, isMatched, isKnown }: Extract<FileCall, { kind: 'replace' }>,
): Files | undefined {
  if (isKnown && !isMatched) return state
  if (state[name] === seen) return { ...state, [name]: value }
  return isKnown ? undefined : state
}

/** A file whose beginning was overwritten: `value+head`. */
export function patched(value: string, head: string): string {
  return `${value.split('+')[0]}+${head}`
}

function namesIn(state: Files): FileName[] {
  return (['a', 'b'] as const).filter((name) => state[name] !== null)
}
