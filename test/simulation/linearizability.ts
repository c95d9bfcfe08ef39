/** One operation of a client, with the moments between which it took effect. */
export interface Operation<Call> {
  readonly call: Call
  readonly begin: number
  /** Infinity while nobody knows whether it took effect, or will. */
  readonly end: number
}

/** What a thing may do, one operation at a time. */
export interface Model<State, Call> {
  readonly initial: State
  /** The state after `call`; `undefined` if it can't have been answered so from `state`. */
  step(state: State, call: Call): State | undefined
  /** The same for equal states. */
  keyOf(state: State): string
}

/** A place in the history: the beginning of an operation, or its end. */
interface Mark {
  readonly at: number
  /** Of the operation, in the history. */
  readonly index: number
  /** Of a beginning, the mark of its end. */
  end: Mark | undefined
  previous: Mark | undefined
  next: Mark | undefined
}

/** More states than this are not looked at: the history was too concurrent to be judged. */
const STATES_MAX = 300_000

/** Whether there is an order of all operations that `model` allows, and in which each takes effect between its beginning and
 *  its end. Those without an end may also have had no effect, so that they can come last.
 *
 *  Wing and Gong, "Testing and Verifying Concurrent Objects" (1993), with Lowe's memory of states that led nowhere ("Testing for
 *  linearizability", 2017), as Porcupine does it.
 *  @throws if it can't be told within bounds */
export function isLinearizable<State, Call>(history: readonly Operation<Call>[], model: Model<State, Call>): boolean {
  const head = link(marksOf(history))
  const done = new Bits(history.length)
  const seen = new Set<string>()
  const taken: { readonly mark: Mark; readonly before: State }[] = []
  let state = model.initial
  let mark = head.next
  let left = history.filter(({ end }) => end !== Number.POSITIVE_INFINITY).length
  while (left > 0) {
    if (mark?.end !== undefined) {
      const after = model.step(state, (history[mark.index] as Operation<Call>).call)
      if (after !== undefined && isNew(seen, done.with(mark.index), model.keyOf(after))) {
        taken.push({ mark, before: state })
        done.add(mark.index)
        if ((history[mark.index] as Operation<Call>).end !== Number.POSITIVE_INFINITY) left -= 1
        state = after
        lift(mark)
        mark = head.next
      } else mark = mark.next
      continue
    }
    // An operation has ended here, or the history has, and nothing that began before it can come next: back.
    const last = taken.pop()
    if (last === undefined) return false
    done.remove(last.mark.index)
    if ((history[last.mark.index] as Operation<Call>).end !== Number.POSITIVE_INFINITY) left += 1
    state = last.before
    unlift(last.mark)
    mark = last.mark.next
  }
  return true
}

function isNew(seen: Set<string>, done: string, state: string): boolean {
  const key = `${done} ${state}`
  if (seen.has(key)) return false
  if (seen.size >= STATES_MAX) throw new Error(`The history can't be judged within ${STATES_MAX} states`)
  seen.add(key)
  return true
}

function marksOf(history: readonly Operation<unknown>[]): Mark[] {
  const marks = history.flatMap(({ begin, end }, index): Mark[] => {
    const ending: Mark = { at: end, index, end: undefined, previous: undefined, next: undefined }
    return [{ at: begin, index, end: ending, previous: undefined, next: undefined }, ending]
  })
  // Of a beginning and an end in one moment the beginning is first: whoever can't tell them apart may take either.
  return marks.toSorted((a, b) => a.at - b.at || Number(a.end === undefined) - Number(b.end === undefined))
}

/** A list of the marks behind one that is none. */
function link(marks: readonly Mark[]): Mark {
  const head: Mark = { at: -1, index: -1, end: undefined, previous: undefined, next: undefined }
  let last = head
  for (const mark of marks) {
    last.next = mark
    mark.previous = last
    last = mark
  }
  return head
}

/** Takes an operation out of the list. */
function lift(mark: Mark): void {
  for (const part of [mark, mark.end as Mark]) {
    ;(part.previous as Mark).next = part.next
    if (part.next !== undefined) part.next.previous = part.previous
  }
}

/** Puts it back to where it was: the last one lifted first. */
function unlift(mark: Mark): void {
  for (const part of [mark.end as Mark, mark]) {
    ;(part.previous as Mark).next = part
    if (part.next !== undefined) part.next.previous = part
  }
}

class Bits {
  readonly #words: Uint32Array

  constructor(length: number) {
    this.#words = new Uint32Array(Math.ceil(length / 32))
  }

  add(index: number): void {
    this.#words[index >>> 5] = (this.#words[index >>> 5] as number) | (1 << (index & 31))
  }

  remove(index: number): void {
    this.#words[index >>> 5] = (this.#words[index >>> 5] as number) & ~(1 << (index & 31))
  }

  /** As a key, with `index` added. */
  with(index: number): string {
    this.add(index)
    const key = this.#words.join(',')
    this.remove(index)
    return key
  }
}
