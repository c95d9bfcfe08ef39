// What programs do in a mount, and how fast it went.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { run, type System } from './mount-systems.ts'

/** In a language whose own speed counts little, and that starts no process for each file. It prints seconds. */
const PROGRAM = `
import os, random, sys, time
what, root, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
names = [os.path.join(root, 'd%d' % (at // 100), 'f%d' % at) for at in range(count)]
block = random.Random(7).randbytes(65536)
started = time.perf_counter()
if what == 'create':
    for at, name in enumerate(names):
        if at % 100 == 0: os.makedirs(os.path.dirname(name))
        with open(name, 'wb', 0) as file:
            if size > 0: file.write(block[at % 1000:at % 1000 + size])
elif what == 'stat':
    for name in names: assert os.stat(name).st_size == size
elif what == 'read':
    for name in names:
        with open(name, 'rb', 0) as file: assert len(file.read()) == size
elif what == 'remove':
    for at, name in enumerate(names):
        os.remove(name)
        if at % 100 == 99: os.rmdir(os.path.dirname(name))
elif what == 'random':
    file = os.open(root, os.O_RDONLY)
    places = random.Random(3)
    pages = os.fstat(file).st_size // 4096
    for _ in range(count): assert len(os.pread(file, 4096, places.randrange(pages) * 4096)) == 4096
print(time.perf_counter() - started)
`
const SMALL_BYTES = 4_000
const RANDOM_READS = 4_000
/** Two files, of different bytes: the first one also pays for what a system that was just started does once. */
const LARGE = ['large-first', 'large-second'] as const
const ROUNDS = 3

export interface Sizes {
  readonly small: number
  readonly walked: number
  /** Of the source tree. */
  readonly tree: number
  readonly largeMib: number
}

/** Figures by name; of each more is better. */
export type Figures = Readonly<Record<string, number>>

export interface Workload {
  readonly name: string
  /** What is made once, for all systems. */
  prepare?(folder: string, sizes: Sizes): void
  work(system: System, at: { readonly folder: string; readonly sizes: Sizes }): Promise<Figures>
}

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'small',
    work: async (system, { sizes: { small } }) => {
      const figures: Record<string, number> = {}
      for (const what of ['create', 'stat', 'read', 'remove']) {
        figures[`${what}, small files/s`] = small / python(what, system.directory, { count: small, size: SMALL_BYTES })
        await system.settle()
      }
      return figures
    },
  },
  {
    name: 'walk',
    work: async (system, { sizes: { walked } }) => {
      python('create', system.directory, { count: walked, size: 0 })
      await system.settle()
      const walk = (command: string): number => {
        const once = (): void => void run('sh', ['-c', `${command} > /dev/null`, system.directory])
        // Of what is listed for the first time all has to be asked for, and then its directories, whose access times have changed by that.
        once()
        once()
        return best(() => walked / seconds(once))
      }
      return {
        'warm stat (find -printf %s), files/s': walk(`find "$0" -printf '%s\\n'`),
        'warm ls -lR, files/s': walk('ls -lR "$0"'),
      }
    },
  },
  {
    name: 'large',
    prepare: (folder, { largeMib }) => {
      for (const name of LARGE) {
        const source = join(folder, `${name}-${largeMib}`)
        if (!existsSync(source)) run('dd', ['if=/dev/urandom', `of=${source}`, 'bs=1M', `count=${largeMib}`, 'status=none'])
      }
    },
    work: async (system, { folder, sizes: { largeMib } }) => {
      const target = join(system.directory, LARGE[1])
      /** What is written is in memory before. */
      const write = async (name: string): Promise<number> => {
        const source = join(folder, `${name}-${largeMib}`)
        run('dd', [`if=${source}`, 'of=/dev/null', 'bs=1M', 'status=none'])
        const to = join(system.directory, name)
        const tookSeconds = seconds(() => run('dd', [`if=${source}`, `of=${to}`, 'bs=1M', 'conv=fsync', 'status=none']))
        await system.settle()
        return largeMib / tookSeconds
      }
      const [first, second] = [await write(LARGE[0]), await write(LARGE[1])]
      const read = (): number => largeMib / seconds(() => run('dd', [`if=${target}`, 'of=/dev/null', 'bs=1M', 'status=none']))
      // Else the kernel still has what was written.
      dropCaches()
      const firstRead = read()
      // Whatever is kept of it in the background.
      await delay(8_000)
      read()
      const again = best(read)
      dropCaches()
      const cold = read()
      dropCaches()
      const places = RANDOM_READS / python('random', target, { count: RANDOM_READS, size: 0 })
      return {
        [`write ${largeMib} MiB and fsync, first file, MiB/s`]: first,
        [`write ${largeMib} MiB and fsync, second file, MiB/s`]: second,
        'first read, with a cold kernel cache, MiB/s': firstRead,
        'read again, MiB/s': again,
        'read again with a cold kernel cache, MiB/s': cold,
        'random 4 KiB with a cold kernel cache, per s': places,
      }
    },
  },
  {
    name: 'unpack',
    prepare: makeSource,
    work: async (system, { folder, sizes: { tree } }) => {
      const archive = join(folder, `source-${tree}.tar`)
      const unpacked = tree / seconds(() => run('tar', ['-C', system.directory, '-xf', archive]))
      await system.settle()
      const status = (): number =>
        1 / seconds(() => run('git', ['-C', join(system.directory, 'source'), 'status', '--porcelain']))
      const first = status()
      await system.settle()
      return { 'unpack, files/s': unpacked, 'first git status, per s': first, 'git status again, per s': best(status) }
    },
  },
]

/** A repository of many files in a tarball. */
function makeSource(folder: string, { tree }: Sizes): void {
  const archive = join(folder, `source-${tree}.tar`)
  if (existsSync(archive)) return
  const root = join(folder, 'source')
  for (let at = 0; at < tree; at += 1) {
    const into = join(root, `part-${at % 50}`, `unit-${at % 1000}`)
    if (at < 1000) mkdirSync(into, { recursive: true })
    const line = `${at} the quick brown fox jumps over the lazy dog ${(at * 2_654_435_761) % 4_294_967_296}\n`
    writeFileSync(join(into, `file-${at}.c`), line.repeat(1 + (at % 97)))
  }
  const git = (args: readonly string[]) => run('git', ['-C', root, '-c', 'user.name=b', '-c', 'user.email=b@localhost', ...args])
  git(['init', '-q'])
  git(['add', '-A'])
  git(['commit', '-q', '-m', 'all'])
  git(['repack', '-adq'])
  git(['prune-packed', '-q'])
  run('tar', ['-C', folder, '-cf', archive, 'source'])
  run('rm', ['-r', root])
}

function python(what: string, root: string, { count, size }: { readonly count: number; readonly size: number }): number {
  const args = ['-c', PROGRAM, what, root, String(count), String(size)]
  return Number(execFileSync('python3', args, { encoding: 'utf8', timeout: 900_000 }))
}

function dropCaches(): void {
  run('sh', ['-c', 'sync; echo 3 > /proc/sys/vm/drop_caches'])
}

function best(measure: () => number): number {
  return Math.max(...Array.from({ length: ROUNDS }, measure))
}

function seconds(work: () => void): number {
  const startMs = performance.now()
  work()
  return (performance.now() - startMs) / 1000
}
