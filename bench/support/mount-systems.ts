// What bench/mount-peers.bench.ts compares: the machine's own disk, a mount of a node on it, JuiceFS with Redis and a folder there, and what
// FUSE costs by itself: libfuse's example passthrough_hp, in C++ with many threads, which hands each request to the same disk.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { mountStateFile } from '#cli/mount-state-file.ts'
import { connect, MountedNode } from '../../test/support/mounted-node.ts'
import { freePort, startNodeProcess } from '../../test/support/node-process.ts'

const MOUNTED_MS_MAX = 30_000
/** So that each keeps as much on the local disk. */
const CACHE_MIB = 4096

export interface System {
  readonly name: string
  /** Where programs work. */
  readonly directory: string
  /** Waits until all that was written has arrived where it is kept. */
  settle(): Promise<void>
  stop(): Promise<void>
}

export interface Place {
  /** Of this run alone; each system makes a folder of its own in it. */
  readonly folder: string
  /** Where programs are looked for first. */
  readonly bin: string | undefined
}

/** Starts one, or says why it can't be. */
export type Starter = (place: Place) => Promise<System | string>

export const SYSTEMS: Readonly<Record<string, Starter>> = {
  ext4: startDisk,
  shoal: startShoal,
  juicefs: (place) => startJuicefs(place, { name: 'juicefs', flags: [] }),
  // As Shoal's default does it: files are uploaded after they are closed.
  'juicefs-writeback': (place) => startJuicefs(place, { name: 'juicefs-writeback', flags: ['--writeback'] }),
  // Contents pass libfuse by: the kernel reads and writes the files of the disk itself.
  libfuse: (place) => startLibfuse(place, { name: 'libfuse', flags: [] }),
  'libfuse-contents': (place) => startLibfuse(place, { name: 'libfuse-contents', flags: ['--nopassthrough'] }),
}

async function startDisk({ folder }: Place): Promise<System> {
  const directory = join(folder, 'ext4')
  mkdirSync(directory)
  return { name: 'ext4', directory, settle: async () => undefined, stop: async () => rmSync(directory, { recursive: true }) }
}

async function startShoal({ folder }: Place): Promise<System> {
  const data = join(folder, 'shoal')
  mkdirSync(data)
  const node = await startNodeProcess({ data: join(data, 'node'), port: await freePort() })
  const client = connect(node.origin)
  await client.createVolume('bench')
  await client.close()
  const mounted = new MountedNode({ endpoint: node.origin, volume: 'bench', state: data })
  await mounted.mount()
  // Until changes are told, the kernel asks again after a second.
  await delay(1_500)
  const status = mountStateFile(mounted.directory, '.status', { XDG_STATE_HOME: data })
  return {
    name: 'shoal',
    directory: mounted.directory,
    settle: async () => {
      // It is told once a second.
      do await delay(1_100)
      while (!readFileSync(status, 'utf8').includes('"pending":0'))
    },
    stop: async () => {
      await mounted.remove()
      await node.stop()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

async function startJuicefs(
  { folder, bin }: Place,
  { name, flags }: { readonly name: string; readonly flags: readonly string[] },
): Promise<System | string> {
  const [juicefs, redis] = [findProgram('juicefs', bin), findProgram('redis-server', bin)]
  if (juicefs === undefined || redis === undefined) return `there is no ${juicefs === undefined ? 'juicefs' : 'redis-server'}`
  const data = join(folder, name)
  const directory = join(data, 'mount')
  for (const part of [directory, join(data, 'redis'), join(data, 'objects'), join(data, 'cache')])
    mkdirSync(part, { recursive: true })
  const port = String(await freePort())
  // Each second on the disk, as its manual has it.
  const store = start(redis, [
    '--bind',
    '127.0.0.1',
    '--port',
    port,
    '--dir',
    join(data, 'redis'),
    '--save',
    '',
    '--appendonly',
    'yes',
  ])
  const url = `redis://127.0.0.1:${port}/1`
  await delay(500)
  const format = ['format', '--storage', 'file', '--bucket', `${data}/objects/`, '--trash-days', '0', url, 'bench']
  run(juicefs, format)
  const cache = ['--cache-dir', join(data, 'cache'), '--cache-size', String(CACHE_MIB)]
  const mount = start(juicefs, ['mount', '--no-usage-report', '--backup-meta', '0', ...cache, ...flags, url, directory])
  await mountedBy(mount, directory)
  return {
    name,
    directory,
    settle: () => delay(2_000),
    stop: async () => {
      spawnSync('umount', ['-l', directory])
      await ended(mount, 'SIGTERM')
      await ended(store, 'SIGTERM')
      rmSync(data, { recursive: true, force: true })
    },
  }
}

async function startLibfuse(
  { folder, bin }: Place,
  { name, flags }: { readonly name: string; readonly flags: readonly string[] },
): Promise<System | string> {
  const program = findProgram('passthrough_hp', bin)
  if (program === undefined) return 'there is no passthrough_hp'
  const data = join(folder, name)
  const [source, directory] = [join(data, 'source'), join(data, 'mount')]
  for (const part of [source, directory]) mkdirSync(part, { recursive: true })
  // It keeps each file that the kernel knows open, so a tree must have fewer than this process may open (`ulimit -Hn`).
  const mount = start(program, [...flags, '--foreground', source, directory])
  await mountedBy(mount, directory)
  return {
    name,
    directory,
    settle: async () => undefined,
    stop: async () => {
      spawnSync('umount', ['-l', directory])
      await ended(mount, 'SIGTERM')
      rmSync(data, { recursive: true, force: true })
    },
  }
}

async function mountedBy(mount: ChildProcess, directory: string): Promise<void> {
  for (const untilMs = Date.now() + MOUNTED_MS_MAX; !isMounted(directory);) {
    assert.ok(Date.now() < untilMs && mount.exitCode === null, `${mount.spawnargs.join(' ')} did not mount`)
    await delay(50)
  }
}

function isMounted(directory: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${directory} `)
}

function start(program: string, args: readonly string[]): ChildProcess {
  return spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore'] })
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await Promise.race([once(child, 'exit'), delay(5_000)])
  child.kill('SIGKILL')
}

function findProgram(name: string, bin: string | undefined): string | undefined {
  const folders = [...(bin === undefined ? [] : [bin]), ...(process.env['PATH'] ?? '').split(':')]
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

export function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 900_000, maxBuffer: 2 ** 28 })
  assert.equal(status, 0, `${program} ${args.join(' ').slice(0, 200)}: ${stderr.slice(0, 2_000)}`)
  return stdout
}
