// npm run bench mount [-- SECONDS]: what one request of a mount costs, beside the same in C on libfuse3 (bench/mount-in-c.c), in turns.
// All on one processor: across two, it is their waking up that is measured. Needs root, gcc and Debian's libfuse3-dev.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** With how many seconds the kernel may remember names and attributes. */
const KINDS = { getattr: 0, lookup: 0, read: 0, open: 3600 }
const ROUNDS = 3
const CPU = '1'
const SERVER = fileURLToPath(new URL('../src/gateway/fuse/memory-mount.child.ts', import.meta.url))
const SOURCE = fileURLToPath(new URL('./mount-in-c.c', import.meta.url))
const seconds = process.argv[2] ?? '2'

const folder = mkdtempSync(join(tmpdir(), 'shoal-bench-mount-'))
const program = join(folder, 'mount-in-c')
run('sh', ['-c', `gcc -O2 -o "$0" "$1" $(pkg-config --cflags --libs fuse3)`, program, SOURCE])

interface Server {
  readonly name: string
  readonly validSeconds: number
  readonly directory: string
  readonly child: ChildProcess
}

const servers: Server[] = []
try {
  for (const validSeconds of new Set(Object.values(KINDS)))
    servers.push(await startShoal(validSeconds), await startC(validSeconds))
  const results = new Map<string, number[][]>()
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [kind, validSeconds] of Object.entries(KINDS)) {
      for (const { name, directory } of servers.filter((server) => server.validSeconds === validSeconds)) {
        const figures = run('taskset', ['-c', CPU, program, 'load', directory, kind, seconds]).trim().split(' ').map(Number)
        const key = `${kind} ${name}`
        results.set(key, [...(results.get(key) ?? []), figures])
      }
    }
  }
  console.log('| request | server | per second, by round | p50 µs | p99 µs |\n|---|---|---|---|---|')
  for (const [kind, validSeconds] of Object.entries(KINDS)) {
    for (const { name } of servers.filter((server) => server.validSeconds === validSeconds)) {
      const rounds = results.get(`${kind} ${name}`) ?? []
      const column = (at: number) => rounds.map((figures) => (figures[at] as number).toLocaleString('en')).join(', ')
      console.log(`| ${kind} | ${name} | ${column(0)} | ${column(1)} | ${column(2)} |`)
    }
  }
} finally {
  for (const { directory, child } of servers) {
    spawnSync('umount', ['-l', directory])
    child.kill('SIGKILL')
    rmdirSync(directory)
  }
  rmSync(folder, { recursive: true })
}

async function startShoal(validSeconds: number): Promise<Server> {
  const child = spawn('taskset', ['-c', CPU, process.execPath, '--max-semi-space-size=8', SERVER, String(validSeconds * 1000)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  const directory = line.trim()
  run('sh', ['-c', 'head -c 4096 /dev/zero > "$0/file"', directory])
  return { name: 'Shoal', validSeconds, directory, child }
}

async function startC(validSeconds: number): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-bench-c-'))
  const child = spawn(
    'taskset',
    ['-c', CPU, program, 'serve', directory, String(validSeconds), '-o', 'default_permissions,allow_other'],
    {
      stdio: 'inherit',
    },
  )
  while (!readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${directory} `)) await delay(20)
  return { name: 'C, libfuse3', validSeconds, directory, child }
}

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000 })
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}`)
  return stdout
}
