import { constants } from 'node:fs'
import type { SeededRandom } from '#platform/seeded-random.ts'
import type { Argument } from './calls.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f']
const FOLDERS = ['d', 'e', 'f', 'd', 'a']
/** Names with which programs lock, names that aren't UTF-8 or composed, the longest one, names that mounts or other systems treat apart. */
const ODD_NAMES = [
  ...['x.lock', 'lock', 'lockfile', '\udcff\udcfe', 'new\nline', 'L'.repeat(255), '.hidden', 'sp ace ', '\u00e9', 'e\u0301'],
  ...[
    'a.conflict-h-1',
    '.shoal-removed-1',
    '.git',
    '...',
    '-',
    '\\',
    '%2F',
    '"',
    'a~',
    '.a.swp',
    '#a#',
    '~',
    '.nfs1',
    'COM1',
    '\u0001',
  ],
]
const SECONDS = [0, 1, -1, -2147483647, 1_000_000_000, 2147483647, 2147483648, 4294967295, 4294967296, 9_000_000_000, 946684800]
const UTIME_NOW = 2 ** 30 - 1
const UTIME_OMIT = 2 ** 30 - 2
/** Linux's, which Node has no names for. */
export const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY
const O_PATH = 0o10000000
const ATTRIBUTES = ['user.a', 'user.b', 'user.c', `user.${'n'.repeat(240)}`, 'user.\udcff', 'trusted.t', 'user.', 'bad']
export const ACCESS_LIST = 'system.posix_acl_access'
export const DEFAULT_LIST = 'system.posix_acl_default'
/** `call-program.py` acts as users 2001 and 2002, who share group 3000. */
const USERS = [2001, 2002, 5]
const GROUPS = [3000, 3001, 2001]
const SETGID = 0o2000
const GROUP_EXECUTES = 0o010
const NOBODY = 0xffffffff

/** Draws what calls are about: mostly what others are about too, now and then something odd. */
export class Arguments {
  readonly random: SeededRandom
  #written = 0

  constructor(random: SeededRandom) {
    this.random = random
  }

  pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)] as T
  }

  /** In [from, to). */
  #between(from: number, to: number): number {
    return from + this.random.below(to - from)
  }

  chance(probability: number): boolean {
    return this.random.chance(probability)
  }

  path(): string {
    const depth = this.pick([1, 1, 1, 2, 2, 2, 3, 3, 4])
    const names = Array.from({ length: depth - 1 }, () => this.pick(FOLDERS))
    names.push(this.chance(0.85) ? this.pick(NAMES) : this.pick(ODD_NAMES))
    const odd = this.random.fraction()
    if (odd < 0.02) names.push('')
    else if (odd < 0.03) names.push('.')
    else if (odd < 0.04 && depth > 1) names.splice(this.#between(1, depth + 1), 0, '..')
    else if (odd < 0.045) names.push('L'.repeat(256))
    return names.join('/')
  }

  sizeBytes(): number {
    const kind = this.random.fraction()
    if (kind < 0.4) return this.random.below(200)
    if (kind < 0.6) return this.random.below(10_000)
    if (kind < 0.75)
      return this.pick([4095, 4096, 4097, 8192, 65536, 131071, 131072, 131073, 262144, 1024 * 1024, 1024 * 1024 + 1])
    return this.random.below(300_000)
  }

  offset(): number {
    const kind = this.random.fraction()
    if (kind < 0.3) return 0
    if (kind < 0.5) return this.random.below(300)
    if (kind < 0.7) return this.random.below(40) * 4096
    return this.random.below(400_000)
  }

  block(): number {
    return this.random.below(50) * 4096
  }

  /** Bytes, as `bytes_of` of `call-program.py` makes them. */
  data(sizeBytes = this.sizeBytes()): Argument {
    this.#written += 1
    const kind = this.random.fraction()
    return [kind < 0.1 ? 'zeros' : kind < 0.6 ? 'text' : 'random', this.#written, sizeBytes]
  }

  mode(): number {
    const kind = this.random.fraction()
    if (kind < 0.5) return this.pick([0o644, 0o755, 0o600, 0o777, 0o666, 0o700, 0o664, 0o775, 0o770])
    if (kind < 0.8) return this.pick([0o1777, 0o2777, 0o2775, 0o4755, 0o6777, 0o2755, 0o6711, 0o3777, 0o4711, 0o2711, 0o2770])
    return this.random.below(0o10000)
  }

  /** Of a file that is made. Writers of other groups take setgid away where a group may not execute, of which FUSE says nothing. */
  fileMode(): number {
    return this.mode() & ~SETGID
  }

  /** With setgid for those only whose group may execute, for the same reason. */
  changedMode(): number {
    const mode = this.pick([this.mode(), this.folderMode()])
    return (mode & SETGID) === 0 ? mode : mode | GROUP_EXECUTES
  }

  folderMode(): number {
    return this.pick([0o777, 0o777, 0o775, 0o755, 0o1777, 0o2777, 0o2775, 0o3777, 0o700, this.mode()])
  }

  /** Device numbers that no driver of Linux has: what is opened must not be one. */
  special(): readonly [mode: number, major: number, minor: number] {
    const kind = this.pick([constants.S_IFIFO, constants.S_IFSOCK, constants.S_IFREG, constants.S_IFCHR, constants.S_IFBLK, 0])
    const mode = kind | this.pick([0o644, 0o666, this.fileMode()])
    if (kind !== constants.S_IFCHR && kind !== constants.S_IFBLK) return [mode, 0, 0]
    return [mode, 4095, this.pick([1, 3, 300, 1048575])]
  }

  #time(): Argument {
    const kind = this.random.fraction()
    if (kind < 0.15) return [0, UTIME_NOW]
    if (kind < 0.3) return [0, UTIME_OMIT]
    if (kind < 0.33) return [5, this.pick([-1, 1_000_000_000])]
    return [this.pick(SECONDS), this.pick([0, 1, 999_999_999, this.random.below(1_000_000_000)])]
  }

  /** Of the last access and the last change. */
  times(): Argument {
    return this.chance(0.1) ? null : [this.#time(), this.#time()]
  }

  /** One of both at least: chown to nobody fails on a disk if it had setuid to take away, of which FUSE says nothing. */
  owner(): readonly [uid: number, gid: number] {
    const uid = this.pick([-1, 0, 2001, 2002])
    return [uid, this.pick([...(uid === -1 ? [] : [-1]), 0, 2001, 3000, 3001, 2002])]
  }

  openFlags(): number {
    const access = this.pick([constants.O_RDONLY, constants.O_WRONLY, constants.O_RDWR, constants.O_RDWR, constants.O_RDWR])
    const more: readonly (readonly [probability: number, flag: number])[] = [
      [0.6, constants.O_CREAT],
      [0.15, constants.O_EXCL],
      [0.15, constants.O_TRUNC],
      [0.2, constants.O_APPEND],
      [0.05, constants.O_DIRECTORY],
      [0.05, constants.O_NOFOLLOW],
      [0.04, constants.O_SYNC],
      [0.02, O_PATH],
      [0.02, constants.O_NOATIME],
    ]
    // Who opens a FIFO must not wait.
    return more.reduce(
      (flags, [probability, flag]) => (this.chance(probability) ? flags | flag : flags),
      access | constants.O_NONBLOCK,
    )
  }

  attribute(): string {
    return this.pick(ATTRIBUTES)
  }

  attributeValue(): Argument {
    const sizeBytes = this.chance(0.02)
      ? this.pick([65536, 65535, 65537, 40000])
      : this.pick([0, 1, 10, 100, 1000, this.random.below(5000)])
    return this.data(sizeBytes)
  }

  /** An access control list, mostly one that is valid, and how many bytes of it are left out. */
  list(): readonly [entries: Argument, cutBytes: number] {
    const rights = (): number => this.pick([7, 7, 6, 5, 4, 0, this.random.below(8)])
    const some = (from: readonly number[]): number[] => from.filter(() => this.chance(0.35)).toSorted((one, other) => one - other)
    const [users, groups] = [some(USERS), some(GROUPS)]
    const entries: (readonly [kind: number, rights: number, id: number])[] = [
      [1, rights(), NOBODY],
      ...users.map((uid) => [2, rights(), uid] as const),
      [4, rights() | 1, NOBODY],
      ...groups.map((gid) => [8, rights(), gid] as const),
    ]
    if (users.length + groups.length > 0 || this.chance(0.3)) entries.push([16, rights() | 1, NOBODY])
    entries.push([32, rights(), NOBODY])
    const odd = this.random.fraction()
    if (odd < 0.03) entries.reverse()
    else if (odd < 0.05) entries.splice(this.random.below(entries.length), 1)
    return [entries, odd > 0.05 && odd < 0.06 ? 3 : 0]
  }
}
