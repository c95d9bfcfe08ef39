import { execFile } from 'node:child_process'
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Call, type Stage, stageOf } from './calls.ts'
import { compareAnswers, compareFacts, type Difference, withoutLateTimes } from './compare-answers.ts'
import { type CallGenerator, subjectsOf } from './generate-calls.ts'
import type { World } from './world.ts'

/** Calls happen deeper than the top, so that `..` stays among what is made for them. */
const PLACE = 'p/q'
/** A look at what a call was about asks for what may be stale otherwise: so only some runs look after each call. */
const LOOKS_OF = 7
const TREE_EVERY = 250

export interface TestedMount {
  /** Where it is now. */
  readonly directory: string
  /** Nothing is open in it, but for 'settle'. */
  stage(stage: Stage): Promise<void>
}

export interface CallRun {
  readonly reference: { readonly world: World; readonly directory: string }
  readonly tested: { readonly world: World; readonly mount: TestedMount }
  /** Of the folder that is made for the run, and removed. */
  readonly name: string
  /** Each call is looked at, and the times that it leaves. */
  readonly looksClosely: boolean
  readonly comparesTimes: boolean
}

export interface CallResult {
  /** What was done, up to the difference. */
  readonly calls: readonly Call[]
  readonly difference: Difference | undefined
}

/** Draws calls and does them. */
export function runDrawn(run: CallRun, generator: CallGenerator, count: number): Promise<CallResult> {
  return inFolders(run, (comparison) => comparison.drawn(generator, count))
}

export function runGiven(run: CallRun, calls: readonly Call[]): Promise<CallResult> {
  return inFolders(run, (comparison) => comparison.given(calls))
}

async function inFolders(run: CallRun, act: (comparison: Comparison) => Promise<Difference | undefined>): Promise<CallResult> {
  const { reference, tested, name } = run
  const tops = (): string[] => [reference.directory, tested.mount.directory].map((directory) => join(directory, name))
  for (const top of tops()) {
    await mkdir(join(top, PLACE), { recursive: true })
    for (const folder of ['.', 'p', PLACE]) await chmod(join(top, folder), 0o777)
  }
  const comparison = new Comparison(run)
  try {
    await comparison.begin()
    const difference = await act(comparison)
    return { calls: comparison.calls, difference }
  } finally {
    await Promise.all([reference.world.enter(null), tested.world.enter(null)])
    // Names that aren't UTF-8 are none for Node.
    for (const top of tops()) await promisify(execFile)('rm', ['-rf', top])
  }
}

/** By what it does alone, so that it stays so when a sequence is shortened. */
function isSampled(call: Call): boolean {
  const sum = [...JSON.stringify(call)].reduce((total, letter) => total + letter.charCodeAt(0), 0)
  return sum % LOOKS_OF === 0
}

class Comparison {
  readonly calls: Call[] = []
  readonly #run: CallRun

  constructor(run: CallRun) {
    this.#run = run
  }

  async begin(): Promise<void> {
    const { reference, name } = this.#run
    await Promise.all([reference.world.enter(join(reference.directory, name, PLACE)), this.#enterMount()])
  }

  async drawn(generator: CallGenerator, count: number): Promise<Difference | undefined> {
    for (let at = 0; at < count; at += 1) {
      const call = generator.next()
      const difference = await this.#step(call, (isDone) => generator.note(call, isDone))
      if (difference !== undefined) return difference
    }
    return this.#end()
  }

  async given(calls: readonly Call[]): Promise<Difference | undefined> {
    for (const call of calls) {
      const difference = await this.#step(call)
      if (difference !== undefined) return difference
    }
    return this.#end()
  }

  async #step(call: Call, note?: (isDone: boolean) => void): Promise<Difference | undefined> {
    this.calls.push(call)
    const stage = stageOf(call)
    if (stage !== undefined) {
      note?.(true)
      return this.#stage(stage)
    }
    const { reference, tested, looksClosely, comparesTimes } = this.#run
    const isLookedAt = looksClosely || isSampled(call)
    const looks = { look: isLookedAt ? subjectsOf(call) : [], ticks: comparesTimes }
    const [expected, actual] = await Promise.all([reference.world.do(call, looks), tested.world.do(call, looks)])
    note?.(expected.value === 'ok')
    const difference = compareAnswers(call[0], expected, withoutLateTimes(actual, expected))
    if (difference !== undefined || this.calls.length % TREE_EVERY !== 0) return difference
    return this.#compareTrees(false)
  }

  async #stage(stage: Stage): Promise<Difference | undefined> {
    const { reference, tested } = this.#run
    if (stage === 'settle') {
      await tested.mount.stage(stage)
      return undefined
    }
    await reference.world.tree(true)
    await tested.world.enter(null)
    await tested.mount.stage(stage)
    await this.#enterMount()
    return this.#compareTrees(true, stage)
  }

  /** Everything closed, as it is before it is sent, after that, and to who sees it for the first time. */
  async #end(): Promise<Difference | undefined> {
    return (await this.#compareTrees(true)) ?? (await this.#stage('settle')) ?? (await this.#compareTrees(true, 'settle'))
  }

  async #compareTrees(isClosed: boolean, stage?: Stage): Promise<Difference | undefined> {
    const { reference, tested } = this.#run
    const [expected, actual] = await Promise.all([reference.world.tree(isClosed), tested.world.tree(isClosed)])
    const difference = compareFacts(expected, actual)
    if (difference === undefined) return undefined
    const when = stage === undefined ? '' : ` after ${stage}`
    return { kind: `all${when}: ${difference.kind}`, text: `All${when}: ${difference.text}` }
  }

  #enterMount(): Promise<void> {
    const { tested, name } = this.#run
    return tested.world.enter(join(tested.mount.directory, name, PLACE))
  }
}
