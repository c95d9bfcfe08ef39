import type { Command, Invocation } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { formatRemote, parseRemote } from '../location.ts'
import { shortSize } from '../units.ts'

export const du: Command = {
  usage: ['VOLUME:/PATH...'],
  description: ['Sizes are the lengths of files; a file with several hard links counts with each of them.'],
  options: [
    { name: 'summarize', short: 's', description: 'only the sum for each path' },
    { name: 'human', short: 'h', description: 'sizes as 1.5K, 20M, 3.1G' },
    { name: 'max-depth', value: 'N', description: 'directories down to so many levels below the path; 0 is as -s' },
  ],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [{ command: 'shoal du -h --max-depth 1 docs:/', explains: 'what the directories in the root take' }],
  async run(invocation) {
    const { operands, options, signal } = invocation
    const maxDepth = options.has('summarize') ? 0 : options.integer('max-depth', { fallback: Infinity, min: 0, max: 1_000_000 })
    const client = invocation.connect()
    for (const operand of operands) {
      const { volume, path } = parseRemote(operand)
      const entry = await client.getEntry(volume, path, { signal })
      const totals = new DirectoryTotals(path)
      if (entry.type !== 'directory') totals.add(entry.size)
      else {
        for await (const each of client.list(volume, path, { recursive: true, signal })) {
          for (const done of totals.enter(each.path, each.type === 'directory'))
            await print(invocation, { volume, maxDepth, done })
          if (each.type === 'file') totals.add(each.size)
        }
      }
      for (const done of totals.finish()) await print(invocation, { volume, maxDepth, done })
    }
    return EXIT.ok
  },
}

interface Total {
  readonly path: string
  readonly depth: number
  bytes: number
  files: number
}

/** Adds up a depth-first listing with no more than the directories from the root to the current one in memory. */
class DirectoryTotals {
  readonly #stack: Total[]

  constructor(root: string) {
    this.#stack = [{ path: root, depth: 0, bytes: 0, files: 0 }]
  }

  /** Moves on to an entry: the directories that it is not in are complete. */
  *enter(path: string, isDirectory: boolean): Generator<Total, void, undefined> {
    while (!contains((this.#stack.at(-1) as Total).path, path)) yield this.#leave()
    if (isDirectory) this.#stack.push({ path, depth: this.#stack.length, bytes: 0, files: 0 })
  }

  add(bytes: number): void {
    const top = this.#stack.at(-1) as Total
    top.bytes += bytes
    top.files += 1
  }

  *finish(): Generator<Total, void, undefined> {
    while (this.#stack.length > 0) yield this.#leave()
  }

  #leave(): Total {
    const done = this.#stack.pop() as Total
    const parent = this.#stack.at(-1)
    if (parent !== undefined) {
      parent.bytes += done.bytes
      parent.files += done.files
    }
    return done
  }
}

function contains(directory: string, path: string): boolean {
  return directory === '' || path.startsWith(`${directory}/`)
}

async function print(
  { output, options }: Invocation,
  { volume, maxDepth, done }: { volume: string; maxDepth: number; done: Total },
): Promise<void> {
  const { path, depth, bytes, files } = done
  if (depth > maxDepth) return
  if (output.json) await output.value({ volume, path, bytes, files })
  else
    await output.line(
      `${(options.has('human') ? shortSize(bytes) : String(bytes)).padStart(options.has('human') ? 6 : 14)}  ${output.name(formatRemote({ volume, path }))}`,
    )
}
