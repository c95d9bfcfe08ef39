// A page for operators, followed command by command: its ```console blocks, on machines that are shells with addresses of their own.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { NODE_FLAGS } from '../../bin/run-pinned.mjs'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
/** What is to be seen is looked for again this long. */
const SEEN_WITHIN_MS = 90_000
const COMMAND_MS_MAX = 90_000
/** Commands that change nothing, and so are given again until they show what the page says. */
const LOOKS = /^(?:shoal (?:node (?:list|show)|status|class (?:list|show)|tracker status|stat|cat|ls)|grep|ls|cat)\b/

export interface Step {
  readonly machine: string
  readonly command: string
  /** Lines, `…` for whatever differs. */
  readonly seen: readonly string[]
}

/** The steps of a page of docs/operations/ by its sections. */
export function sectionsOf(page: string): Map<string, Step[]> {
  return stepsOf(readFileSync(fileURLToPath(new URL(`../../docs/operations/${page}`, import.meta.url)), 'utf8'))
}

/** The steps of a page by its sections. */
export function stepsOf(page: string): Map<string, Step[]> {
  const sections = new Map<string, Step[]>()
  let [title, isIn] = ['', false]
  for (const line of page.split('\n')) {
    if (line.startsWith('```')) isIn = line === '```console'
    else if (!isIn && line.startsWith('## ')) title = line.slice(3)
    else if (isIn) {
      const steps = sections.get(title) ?? []
      sections.set(title, steps)
      const [, machine, command] = /^(\w+)\$ (.*)$/.exec(line) ?? []
      const last = steps.at(-1)
      if (machine !== undefined && command !== undefined) steps.push({ machine, command, seen: [] })
      else {
        assert.ok(last !== undefined, `"${line}" is under no command`)
        steps[steps.length - 1] = { ...last, seen: [...last.seen, line] }
      }
    }
  }
  return sections
}

/** The first line of `seen` that isn't among those of `said`: in any order, since nodes are listed by ids that differ each time, but each
 *  of its own. */
export function missingIn(said: string, seen: readonly string[]): string | undefined {
  const lines = said.split('\n').map((line) => line.replaceAll(/\s+/g, ' '))
  for (const line of seen) {
    const pattern = new RegExp(
      line
        .split('…')
        .map((part) => RegExp.escape(part.trim()))
        .join('.*'),
    )
    const at = lines.findIndex((each) => pattern.test(each))
    if (at === -1) return line
    lines.splice(at, 1)
  }
  return undefined
}

/** The machines of the pages: 10.0.0.N of the text is an address of the loopback network. */
export class Machines {
  readonly folder: string
  readonly #network = `127.${randomInt(1, 255)}.${randomInt(255)}.`
  readonly #shells = new Map<string, Shell>()
  #token = ''

  private constructor(folder: string) {
    this.folder = folder
  }

  static async make(): Promise<Machines> {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-operations-'))
    await mkdir(join(folder, 'bin'))
    const program = join(folder, 'bin', 'shoal')
    await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' ${NODE_FLAGS.join(' ')} '${MAIN}' "$@"\n`)
    await chmod(program, 0o755)
    return new Machines(folder)
  }

  /** @throws if anything fails, or something isn't to be seen in time */
  async follow(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.#follow(step)
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#shells.values()].map((shell) => shell.end()))
    await rm(this.folder, { recursive: true, force: true })
  }

  async #follow({ machine, command, seen }: Step): Promise<void> {
    const shell = this.#shells.get(machine) ?? (await Shell.open(join(this.folder, machine), join(this.folder, 'bin')))
    this.#shells.set(machine, shell)
    const wanted = seen.map((line) => this.#here(line))
    const mayFail = seen.some((line) => line.startsWith('shoal: '))
    for (const endMs = performance.now() + SEEN_WITHIN_MS; ; await delay(250)) {
      const { said, code } = await shell.run(this.#here(command))
      const missing = missingIn(said, wanted)
      this.#token = /^shoal1\.\S+$/m.exec(said)?.[0] ?? this.#token
      if (missing === undefined && (code === 0) !== mayFail) return
      if (LOOKS.test(command) && performance.now() < endMs) continue
      const what = missing === undefined ? `ends with ${code}` : `does not show "${missing}"`
      assert.fail(`${machine}$ ${command}\n${what}, but:\n${said}\n${await this.#logs()}`)
    }
  }

  async #logs(): Promise<string> {
    const logs = [...this.#shells].map(async ([name, shell]) => `${name}: ${await shell.log()}`)
    return (await Promise.all(logs)).join('\n')
  }

  #here(text: string): string {
    return text.replaceAll('10.0.0.', this.#network).replaceAll(/shoal1\.…(?= )/g, () => this.#token)
  }
}

class Shell {
  readonly #folder: string
  readonly #child: ChildProcess
  #said = ''

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder
    this.#child = child
    child.stdout?.on('data', (piece: Buffer) => (this.#said += piece.toString()))
    child.stderr?.on('data', (piece: Buffer) => (this.#said += piece.toString()))
  }

  static async open(folder: string, programs: string): Promise<Shell> {
    await mkdir(folder)
    const others = Object.entries(process.env).filter(([name]) => !/^(?:SHOAL|XDG|NODE_TEST)_/.test(name))
    const env = { ...Object.fromEntries(others), HOME: folder, PATH: `${programs}:${process.env['PATH'] ?? ''}` }
    const child = spawn('bash', ['--noprofile', '--norc'], { cwd: folder, env, stdio: 'pipe' })
    const shell = new Shell(folder, child)
    await shell.run(`set -m; trap 'kill -9 $(jobs -p) 2>/dev/null' EXIT`)
    return shell
  }

  async run(command: string): Promise<{ said: string; code: number }> {
    this.#said = ''
    this.#child.stdin?.write(`{ :; ${command}\n} </dev/null 2>&1; echo "=ended= $?"\n`)
    for (const endMs = performance.now() + COMMAND_MS_MAX; ; await delay(10)) {
      const ended = /^=ended= (\d+)$/m.exec(this.#said)
      if (ended !== null) return { said: this.#said.slice(0, ended.index), code: Number(ended[1]) }
      assert.ok(performance.now() < endMs && this.#child.exitCode === null, `"${command}" does not end:\n${this.#said}`)
    }
  }

  /** The end of what the node here has logged. */
  async log(): Promise<string> {
    const log = await readFile(join(this.#folder, 'shoal.log'), 'utf8').catch(() => '')
    return log.split('\n').slice(-20).join('\n')
  }

  /** With all that it has started. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await exited
  }
}
