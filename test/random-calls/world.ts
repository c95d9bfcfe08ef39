import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { LineProgram } from '../integration/mount-process.ts'
import type { Call } from './calls.ts'

const PROGRAM = fileURLToPath(new URL('./call-program.py', import.meta.url))

/** What is said of one file, by what it is called. */
export type Facts = Readonly<Record<string, unknown>>

export interface Answer {
  readonly value?: unknown
  /** As the system has it: ENOENT. */
  readonly error?: string
  /** What was to be looked at, afterwards. */
  readonly seen: Readonly<Record<string, Facts>>
}

export interface Looks {
  readonly look: readonly (string | number)[]
  /** Whether times are compared with that of the call, for which the clock has to tick before it. */
  readonly ticks: boolean
}

/** A program that does calls in one directory. */
export class World {
  readonly #program: LineProgram

  private constructor(program: LineProgram) {
    this.#program = program
  }

  static async start(): Promise<World> {
    const program = new LineProgram('python3', [PROGRAM])
    assert.equal(await program.hear(), 'ready')
    return new World(program)
  }

  /** Goes to a directory, or leaves where it is for none. Closes all that is open. */
  async enter(directory: string | null): Promise<void> {
    await this.#say({ enter: directory })
  }

  do(call: Call, looks: Looks): Promise<Answer> {
    return this.#say({ do: call, ...looks }) as Promise<Answer>
  }

  /** All that lies in its directory, by path. Closes all that is open, if that is asked for. */
  tree(isClosed: boolean): Promise<Readonly<Record<string, Facts>>> {
    return this.#say({ tree: isClosed ? 'closed' : 'open' }) as Promise<Readonly<Record<string, Facts>>>
  }

  stop(): Promise<void> {
    return this.#program.kill()
  }

  async #say(what: object): Promise<unknown> {
    const line = await this.#program.say(JSON.stringify(what))
    assert.notEqual(line, 'gone', `The program that does calls has ended at ${JSON.stringify(what)}`)
    return JSON.parse(line)
  }
}
