import { constants } from 'node:fs'
import { SeededRandom } from '#platform/seeded-random.ts'
import type { Argument, Call, Stage } from './calls.ts'
import { ACCESS_LIST, Arguments, DEFAULT_LIST, O_TMPFILE } from './draw-arguments.ts'

const SLOTS = 12
const MAPS = 4
/** fcntl(2). */
const LOCKS = [1, 2, 8]
/** fallocate(2): setting aside with and without the length, punching, zeroing with and without the length. */
const ALLOCATIONS = [0, 1, 3, 3, 16, 17]
/** statx(2): as is, not following, asking the server, not asking it. */
const STATX_FLAGS = [0, 0x100, 0x2000, 0x4000]
const STATX_MASKS = [0x7ff, 0x7ff, 0x200, 0x4, 0x1]

interface Kind {
  readonly weight: number
  /** Which of its arguments are paths or slots. */
  readonly about: readonly number[]
  /** `undefined` if there is nothing to do it with. */
  readonly draw: (calls: CallGenerator) => readonly Argument[] | undefined
}

const path = (weight: number, more: (a: Arguments) => readonly Argument[] = () => []): Kind => ({
  weight,
  about: [0],
  draw: ({ a }) => [a.path(), ...more(a)],
})

const paths = (weight: number, more: (a: Arguments) => readonly Argument[] = () => []): Kind => ({
  weight,
  about: [0, 1],
  draw: ({ a }) => [a.path(), a.path(), ...more(a)],
})

const slot = (weight: number, more: (a: Arguments) => readonly Argument[] = () => []): Kind => ({
  weight,
  about: [0],
  draw: (calls) => calls.withSlot((at) => [at, ...more(calls.a)]),
})

const slotAndPath = (weight: number): Kind => ({
  weight,
  about: [0, 1],
  draw: (calls) => calls.withSlot((at) => [at, calls.a.path()]),
})

const slots = (weight: number, more: (a: Arguments) => readonly Argument[]): Kind => ({
  weight,
  about: [0, 1],
  draw: (calls) => calls.withSlot((from) => calls.withSlot((to) => [from, to, ...more(calls.a)])),
})

const direct = (weight: number, more: (a: Arguments) => readonly Argument[]): Kind => ({
  weight,
  about: [0],
  draw: (calls) => calls.withDirect((at) => [at, ...more(calls.a)]),
})

const opening = (weight: number, how: (a: Arguments) => readonly Argument[]): Kind => ({
  weight,
  about: [0, 1],
  draw: (calls) => calls.withFree((free) => [free, ...how(calls.a)]),
})

const map = (weight: number, more: (a: Arguments) => readonly Argument[] = () => []): Kind => ({
  weight,
  about: [],
  draw: (calls) => calls.withMap((name) => [name, ...more(calls.a)]),
})

const nameless = (a: Arguments): readonly Argument[] => [
  a.pick(['.', 'd', 'e', 'd/e', 'a']),
  O_TMPFILE | constants.O_RDWR | a.pick([0, 0, constants.O_EXCL]),
  a.fileMode() | 0o600,
]

/** By what `call-program.py` calls them; what stands behind a colon tells apart how their arguments are drawn. */
const KINDS: Readonly<Record<string, Kind>> = {
  open: opening(12, (a) => [a.path(), a.openFlags(), a.chance(0.5) ? a.fileMode() : 0o666]),
  'open:direct': opening(1, (a) => [
    a.path(),
    constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT | constants.O_NONBLOCK,
    0o666,
  ]),
  'open:directory': opening(2, (a) => [a.path(), constants.O_RDONLY | constants.O_DIRECTORY, 0]),
  'open:nameless': {
    weight: 2,
    about: [0, 1],
    draw: (calls) => (calls.makesNameless ? calls.withFree((free) => [free, ...nameless(calls.a)]) : undefined),
  },
  dup: { weight: 1, about: [0, 1], draw: (calls) => calls.withSlot((at) => calls.withFree((free) => [at, free])) },
  close: { weight: 10, about: [], draw: (calls) => calls.withAnySlot((at) => [at]) },
  read: slot(3, (a) => [a.sizeBytes()]),
  pread: slot(4, (a) => [a.sizeBytes(), a.offset()]),
  write: slot(8, (a) => [a.data()]),
  pwrite: slot(8, (a) => [a.data(), a.offset()]),
  writev: slot(2, (a) => [Array.from({ length: 1 + a.random.below(5) }, () => a.data(a.random.below(5000)))]),
  seek: slot(3, (a) => [a.offset() - a.pick([0, 0, 10]), a.pick([0, 1, 2])]),
  direct_read: direct(1, (a) => [a.pick([4096, 65536, 512 * 1024]), a.block()]),
  direct_write: direct(1, (a) => [a.data(a.pick([4096, 8192, 65536])), a.block()]),
  ftruncate: slot(3, (a) => [a.pick([0, a.offset(), a.sizeBytes()])]),
  truncate: path(3, (a) => [a.pick([0, a.offset(), a.sizeBytes(), a.sizeBytes()])]),
  fallocate: slot(3, (a) => [a.pick(ALLOCATIONS), a.offset(), a.sizeBytes() || 1]),
  copy_range: slots(2, (a) => [a.sizeBytes(), a.offset(), a.offset()]),
  sendfile: slots(1, (a) => [a.offset(), a.sizeBytes()]),
  fsync: slot(1),
  fdatasync: slot(1),
  sync_range: slot(1),
  holes: slot(1),
  fstat: slot(1),
  flist: slot(1),
  list_from: slot(1, (a) => [a.random.fraction()]),
  flags: slot(1),
  map: {
    weight: 2,
    about: [1],
    draw: (calls) => calls.withSlot((at) => [calls.a.random.below(MAPS), at, calls.a.chance(0.8), calls.a.chance(0.7)]),
  },
  map_read: map(3, (a) => [a.offset(), a.sizeBytes()]),
  map_write: map(4, (a) => [a.offset(), a.data()]),
  msync: map(1),
  unmap: map(1),
  stat: path(2),
  lstat: path(2),
  statx: path(2, (a) => [a.pick(STATX_FLAGS), a.pick(STATX_MASKS)]),
  list: path(3),
  readlink: path(1),
  rmdir: path(3),
  unlink: path(5),
  read_file: path(4),
  name_max: path(0.2),
  listx: path(1),
  same: paths(2),
  same_fd: slotAndPath(1),
  access: path(2, (a) => [a.random.below(8)]),
  mkdir: path(7, (a) => [a.folderMode()]),
  rename: paths(9),
  rename2: paths(4, (a) => [a.pick([0, 1, 1, 2, 2, 2, 3])]),
  link: paths(5),
  link_follow: paths(1),
  link_fd: slotAndPath(2),
  link_empty: slotAndPath(0.5),
  symlink: {
    weight: 3,
    about: [1],
    draw: ({ a }) => [
      a.pick([a.path(), a.path(), '.', 'nowhere', 'a', '/nonexistent/x', 's'.repeat(1000), 't'.repeat(4095), '']),
      a.path(),
    ],
  },
  mknod: path(2, (a) => a.special()),
  chmod: path(4, (a) => [a.changedMode()]),
  lchmod: path(0.5, (a) => [a.changedMode()]),
  fchmod: slot(2, (a) => [a.changedMode()]),
  chown: path(3, (a) => a.owner()),
  lchown: path(1, (a) => a.owner()),
  fchown: slot(2, (a) => a.owner()),
  utimes: path(3, (a) => [a.times(), a.chance(0.7)]),
  futimes: slot(2, (a) => [a.times()]),
  setx: path(3, (a) => [a.attribute(), a.attributeValue(), a.pick([0, 0, 0, 1, 2])]),
  fsetx: slot(1, (a) => [a.attribute(), a.attributeValue(), 0]),
  setacl: {
    weight: 3,
    about: [0],
    draw: ({ a, makesNameless }) => [
      a.path(),
      a.pick([ACCESS_LIST, ACCESS_LIST, makesNameless ? ACCESS_LIST : DEFAULT_LIST]),
      ...a.list(),
    ],
  },
  getx: path(2, (a) => [a.pick([a.attribute(), a.attribute(), ACCESS_LIST, DEFAULT_LIST])]),
  fgetx: slot(1, (a) => [a.pick([a.attribute(), ACCESS_LIST])]),
  delx: path(1.5, (a) => [a.pick([a.attribute(), a.attribute(), ACCESS_LIST, DEFAULT_LIST])]),
  flock: slot(0.5, (a) => [a.pick(LOCKS)]),
  lockf: slot(0.5, (a) => [a.pick(LOCKS), a.random.below(100), a.random.below(100)]),
  write_file: path(9, (a) => [a.data(), a.pick([0o666, 0o666, 0o777, a.fileMode()])]),
  append_file: path(3, (a) => [a.data()]),
}
const WEIGHTS = Object.values(KINDS).reduce((sum, { weight }) => sum + weight, 0)

/** The paths and slots that a call is about. */
export function subjectsOf([name, , , ...args]: Call): readonly (string | number)[] {
  const subjects = (KINDS[name]?.about ?? []).map((at) => args[at] as string | number)
  return [...new Set(subjects.flatMap((at): (string | number)[] => (typeof at === 'string' ? [at, folderOf(at)] : [at])))]
}

function folderOf(at: string): string {
  return at.replace(/\/+$/, '').split('/').slice(0, -1).join('/') || '.'
}

export interface GeneratorOptions {
  readonly seed: number
  readonly stages?: readonly Stage[]
  /** How many calls lie between two stages. */
  readonly stageEvery?: number
}

/** Draws calls one after the other; hears what came of each, so that it goes on with what is open. */
export class CallGenerator {
  readonly a: Arguments
  /** Files without a name get no default list in a mount: a seed has the ones or the others. */
  readonly makesNameless: boolean
  readonly #options: GeneratorOptions
  readonly #slots = new Set<number>()
  readonly #direct = new Set<number>()
  readonly #maps = new Set<number>()
  #sinceStage = 0

  constructor(options: GeneratorOptions) {
    this.#options = options
    this.makesNameless = options.seed % 2 === 0
    this.a = new Arguments(new SeededRandom(options.seed))
  }

  next(): Call {
    const { stages = [], stageEvery = Infinity } = this.#options
    if (this.#sinceStage >= stageEvery && stages.length > 0) {
      this.#sinceStage = 0
      return [this.a.pick(stages), 0, 0]
    }
    this.#sinceStage += 1
    const who = this.a.pick([0, 0, 1, 1, 2])
    const umask = this.a.pick([0o22, 0o22, 0, 0o77, 0o27, 0o2])
    for (;;) {
      const [name, kind] = this.#kind()
      const args = kind.draw(this)
      if (args !== undefined) return [name.split(':')[0] as string, who, umask, ...args]
    }
  }

  /** What came of a call; of a stage, that it is over. */
  note([name, , , ...args]: Call, isDone: boolean): void {
    if (!isDone) return
    if (name === 'open') {
      this.#slots.add(args[0] as number)
      if (((args[2] as number) & constants.O_DIRECT) !== 0) this.#direct.add(args[0] as number)
    }
    if (name === 'dup') this.#slots.add(args[1] as number)
    if (name === 'close') {
      this.#slots.delete(args[0] as number)
      this.#direct.delete(args[0] as number)
    }
    if (name === 'map') this.#maps.add(args[0] as number)
    if (name === 'unmap') this.#maps.delete(args[0] as number)
    if (name === 'remount' || name === 'kill' || name === 'switch')
      for (const all of [this.#slots, this.#direct, this.#maps]) all.clear()
  }

  /** Direct access wants whole blocks, which other calls don't give. */
  withSlot(draw: (slot: number) => readonly Argument[] | undefined): readonly Argument[] | undefined {
    const plain = [...this.#slots.difference(this.#direct)]
    return plain.length === 0 ? undefined : draw(this.a.pick(plain))
  }

  withAnySlot(draw: (slot: number) => readonly Argument[]): readonly Argument[] | undefined {
    return this.#slots.size === 0 ? undefined : draw(this.a.pick([...this.#slots]))
  }

  withDirect(draw: (slot: number) => readonly Argument[]): readonly Argument[] | undefined {
    return this.#direct.size === 0 || this.a.chance(0.2) ? this.withSlot(draw) : draw(this.a.pick([...this.#direct]))
  }

  withFree(draw: (slot: number) => readonly Argument[]): readonly Argument[] | undefined {
    const free = Array.from({ length: SLOTS }, (_, at) => at).filter((at) => !this.#slots.has(at))
    return free.length === 0 ? undefined : draw(this.a.pick(free))
  }

  withMap(draw: (name: number) => readonly Argument[]): readonly Argument[] | undefined {
    return this.#maps.size === 0 ? undefined : draw(this.a.pick([...this.#maps]))
  }

  #kind(): readonly [name: string, kind: Kind] {
    let left = this.a.random.fraction() * WEIGHTS
    for (const entry of Object.entries(KINDS)) if ((left -= entry[1].weight) < 0) return entry
    return this.#kind()
  }
}
