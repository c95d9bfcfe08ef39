// Two local trees, compared byte for byte, however deep they are.

import { closeSync, fstatSync, lstatSync, openSync, opendirSync, readlinkSync, readSync } from 'node:fs'
import type { BigIntStats, Dirent } from 'node:fs'
import { openDirectory } from './odd-tree.ts'

const BLOCK_BYTES = 1024 * 1024
/** Node.js sets times in seconds as a double: that keeps them to less than a microsecond. */
const TIME_TOLERANCE_NS = 1_000n

export interface TreeCount {
  files: number
  directories: number
  links: number
  bytes: number
}

/** What differs, in words; nothing if the trees are equal in names, kinds, contents, targets, modes and times. */
export function compareTrees(a: string | Buffer, b: string | Buffer): { differences: string[]; count: TreeCount } {
  const comparison = new Comparison()
  comparison.directories(openDirectory(a), openDirectory(b), '')
  return comparison
}

class Comparison {
  readonly differences: string[] = []
  readonly count: TreeCount = { files: 0, directories: 0, links: 0, bytes: 0 }
  readonly #blocks = [Buffer.alloc(BLOCK_BYTES), Buffer.alloc(BLOCK_BYTES)] as const

  /** Closes both. Of a directory's subdirectories the last is entered when both are closed, so that a chain of any length
   *  takes few descriptors. */
  directories(a: number, b: number, path: string): void {
    this.count.directories += 1
    this.#attributes(fstatSync(a, { bigint: true }), fstatSync(b, { bigint: true }), path)
    const [names, others] = [namesIn(a), namesIn(b)]
    for (const name of names.keys()) if (!others.has(name)) this.#differ(path, name, 'is only in the first')
    for (const name of others.keys()) if (!names.has(name)) this.#differ(path, name, 'is only in the second')
    const both = [...names].filter(([name]) => others.has(name))
    const inner = both.filter(([name, bytes]) => this.#entries(child(a, bytes), child(b, bytes), `${path}/${name}`))
    const last = inner.pop()
    for (const [name, bytes] of inner)
      this.directories(openDirectory(child(a, bytes)), openDirectory(child(b, bytes)), `${path}/${name}`)
    const next = last === undefined ? undefined : ([openDirectory(child(a, last[1])), openDirectory(child(b, last[1]))] as const)
    closeSync(a)
    closeSync(b)
    if (next !== undefined) this.directories(...next, `${path}/${last?.[0]}`)
  }

  /** True for two directories, which are still to be entered. */
  #entries(a: Buffer, b: Buffer, path: string): boolean {
    const [left, right] = [lstatSync(a, { bigint: true }), lstatSync(b, { bigint: true })]
    if ((left.mode & 0o170000n) !== (right.mode & 0o170000n)) {
      this.differences.push(`${path} is of another kind`)
      return false
    }
    if (left.isDirectory()) return true
    if (left.isSymbolicLink()) {
      this.count.links += 1
      const [target, other] = [readlinkSync(a, 'buffer'), readlinkSync(b, 'buffer')]
      if (!target.equals(other)) this.differences.push(`${path} leads elsewhere`)
      return false
    }
    this.#attributes(left, right, path)
    this.count.files += 1
    this.count.bytes += Number(left.size)
    if (left.size !== right.size || !this.#sameContents(a, b))
      this.differences.push(`${path} has other contents: ${left.size} and ${right.size} bytes`)
    return false
  }

  #attributes(left: BigIntStats, right: BigIntStats, path: string): void {
    if (left.mode !== right.mode)
      this.differences.push(`${path} has the modes ${left.mode.toString(8)} and ${right.mode.toString(8)}`)
    const apart = left.mtimeNs - right.mtimeNs
    if (apart > TIME_TOLERANCE_NS || apart < -TIME_TOLERANCE_NS)
      this.differences.push(`${path} was changed at ${left.mtimeNs} and ${right.mtimeNs}`)
  }

  #sameContents(a: Buffer, b: Buffer): boolean {
    const files = [openSync(a, 'r'), openSync(b, 'r')] as const
    const [block, other] = this.#blocks
    try {
      for (;;) {
        const [length, otherLength] = [readSync(files[0], block), readSync(files[1], other)]
        if (length !== otherLength || !block.subarray(0, length).equals(other.subarray(0, length))) return false
        if (length === 0) return true
      }
    } finally {
      for (const file of files) closeSync(file)
    }
  }

  #differ(path: string, name: string, how: string): void {
    this.differences.push(`${path}/${name} ${how}`)
  }
}

/** By their bytes as text in which each character is one. */
function namesIn(directory: number): Map<string, Buffer> {
  const handle = opendirSync(`/proc/self/fd/${directory}`, { encoding: 'buffer' as BufferEncoding })
  const names = new Map<string, Buffer>()
  for (let entry = handle.readSync() as Dirent<Buffer> | null; entry !== null; entry = handle.readSync() as Dirent<Buffer> | null)
    names.set(entry.name.toString('latin1'), entry.name)
  handle.closeSync()
  return names
}

function child(directory: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name])
}
