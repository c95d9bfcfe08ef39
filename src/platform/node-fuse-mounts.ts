import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { systemErrorCode } from './files.ts'
import type { FuseDevice, FuseMounts, MountOptions, MountPoint } from './fuse-device.ts'
import { findMount, type MountRow, parseMountTable } from './mount-table.ts'
import { NodeFuseDevice } from './node-fuse-device.ts'
import { mount, receiveDescriptor, setNonBlocking, socketPair, umount } from './node-libc.ts'

/** mount(2): MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC. */
const READ_ONLY = 1
const NO_SUID = 2
const NO_DEVICES = 4
const NO_PROGRAMS = 8
/** umount2(2): MNT_DETACH. */
const DETACH = 2
const HELPER_LINES_BYTES_MAX = 4096
/** A mount answers what it is asked here by itself, within some milliseconds. */
const ANSWER_MS_MAX = 2_000

/** Mounting on this machine: as whoever runs, by its device, unless tests want it otherwise. */
export class NodeFuseMounts implements FuseMounts {
  readonly #isRoot: boolean
  readonly #device: string

  constructor({
    isRoot = process.getuid?.() === 0,
    device = '/dev/fuse',
  }: { readonly isRoot?: boolean; readonly device?: string } = {}) {
    this.#isRoot = isRoot
    this.#device = device
  }

  get handsOver(): boolean {
    return this.#isRoot
  }

  async mount(options: MountOptions): Promise<FuseDevice> {
    if (!this.#isRoot) return new NodeFuseDevice(await mountAsUser(options))
    const device = new NodeFuseDevice(await mountAsRoot(options, this.#device))
    await readAhead(options)
    return device
  }

  async unmount(directory: string, { lazy }: { readonly lazy: boolean }): Promise<void> {
    if (!this.#isRoot) {
      await runFusermount(['-u', ...(lazy ? ['-z'] : []), '--', directory])
      return
    }
    try {
      await umount(directory, lazy ? DETACH : 0)
    } catch (cause) {
      throw unmountError(directory, cause)
    }
  }

  /** All that are mounted of a type. */
  async list(type: string): Promise<readonly (Exclude<MountPoint, { state: 'free' }> & { readonly directory: string })[]> {
    const rows = (await readMounts()).filter((row) => row.type === type)
    return Promise.all(rows.map(async (row) => ({ ...row, state: await stateOf(row) })))
  }

  async inspect(directory: string): Promise<MountPoint> {
    const row = findMount(await readMounts(), directory)
    if (row === undefined) return { state: 'free' }
    const { source, type } = row
    return { state: await stateOf(row), source, type }
  }
}

async function readMounts(): Promise<readonly MountRow[]> {
  return parseMountTable(await readFile('/proc/self/mountinfo', 'utf8'))
}

/** Attributes may come out of the kernel's cache, the figures of a file system never. A process of its own asks: a thread that waits for a mount
 *  can't be taken back, and holds up the end of its process. */
async function stateOf({ directory }: MountRow): Promise<'mounted' | 'silent' | 'dead'> {
  const child = spawn('stat', ['--file-system', '--', directory], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
    timeout: ANSWER_MS_MAX,
    killSignal: 'SIGKILL',
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  try {
    const [, signal] = (await once(child, 'close')) as [number | null, string | null]
    if (signal !== null) return 'silent'
  } catch {
    // There is no such program: nobody knows.
  }
  return said.includes('Transport endpoint is not connected') ? 'dead' : 'mounted'
}

async function mountAsRoot(options: MountOptions, device: string): Promise<number> {
  const fd = openDevice(device)
  try {
    await mount({
      source: options.source,
      target: options.directory,
      type: `fuse.${options.subtype}`,
      flags: NO_SUID | NO_DEVICES | (options.readOnly ? READ_ONLY : 0) | (options.noExec === true ? NO_PROGRAMS : 0),
      data: [`fd=${fd}`, 'rootmode=40000', 'user_id=0', 'group_id=0', ...permissions(options)].join(','),
    })
    return fd
  } catch (cause) {
    closeSync(fd)
    throw mountError(options.directory, cause)
  }
}

/** A container may not change it: then files are read in shorter steps (Documentation/ABI/testing/sysfs-class-bdi). */
async function readAhead({ directory, readAheadBytes }: MountOptions): Promise<void> {
  try {
    const device = findMount(await readMounts(), directory)?.device
    if (device !== undefined) await writeFile(`/sys/class/bdi/${device}/read_ahead_kb`, String(readAheadBytes / 1024))
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error
  }
}

function permissions({ allowOther, defaultPermissions }: MountOptions): string[] {
  return [...(allowOther ? ['allow_other'] : []), ...(defaultPermissions ? ['default_permissions'] : [])]
}

function openDevice(device: string): number {
  try {
    return openSync(device, constants.O_RDWR | constants.O_NONBLOCK)
  } catch (cause) {
    const code = systemErrorCode(cause)
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO') {
      throw new ShoalError(
        'UNSUPPORTED',
        `There is no ${device} on this machine: load the kernel's module ("modprobe fuse"), or give the container the device ("--device ${device} --cap-add SYS_ADMIN")`,
        { cause },
      )
    }
    throw new ShoalError(
      'NOT_PERMITTED',
      `Cannot open ${device}: ${code ?? 'it failed'}. Give the container the device, or ask its owner`,
      {
        cause,
      },
    )
  }
}

function mountError(directory: string, cause: unknown): ShoalError {
  switch (systemErrorCode(cause)) {
    case 'ENOENT':
      return new ShoalError('NOT_FOUND', `Cannot mount at "${directory}": there is no such directory`, { cause })
    case 'ENOTDIR':
      return new ShoalError('NOT_A_DIRECTORY', `Cannot mount at "${directory}": it is not a directory`, { cause })
    case 'ENOTCONN':
      return new ShoalError('CONFLICT', `A dead mount is in the way: unmount "${directory}" first`, { cause })
    case 'ENODEV':
      return new ShoalError('UNSUPPORTED', 'This kernel has no FUSE: load its module ("modprobe fuse")', { cause })
    case 'EPERM':
    case 'EACCES':
      return new ShoalError(
        'NOT_PERMITTED',
        `Cannot mount at "${directory}": mounting needs the capability SYS_ADMIN, which a container is given by "--cap-add SYS_ADMIN"`,
        { cause },
      )
    default:
      return new ShoalError('STORAGE_FAILED', `Cannot mount at "${directory}": ${systemErrorCode(cause) ?? 'it failed'}`, {
        cause,
      })
  }
}

function unmountError(directory: string, cause: unknown): ShoalError {
  switch (systemErrorCode(cause)) {
    case 'EBUSY':
      return new ShoalError('BUSY', `"${directory}" is in use: end the programs that use it, or unmount it lazily`, { cause })
    case 'EINVAL':
    case 'ENOENT':
      return new ShoalError('NOT_FOUND', `Nothing is mounted at "${directory}"`, { cause })
    case 'EPERM':
      return new ShoalError('NOT_PERMITTED', `Only root or who has mounted it may unmount "${directory}"`, { cause })
    default:
      return new ShoalError('STORAGE_FAILED', `Cannot unmount "${directory}": ${systemErrorCode(cause) ?? 'it failed'}`, {
        cause,
      })
  }
}

async function mountAsUser(options: MountOptions): Promise<number> {
  const { source, subtype, readOnly, noExec, directory } = options
  const settings = [
    `fsname=${source.replaceAll(/[\\,]/g, (character) => `\\${character}`)}`,
    `subtype=${subtype}`,
    'nosuid',
    'nodev',
    ...(readOnly ? ['ro'] : []),
    ...(noExec === true ? ['noexec'] : []),
    ...permissions(options),
  ]
  const [ours, theirs] = socketPair()
  try {
    await runFusermount(['-o', settings.join(','), '--', directory], theirs)
    const fd = receiveDescriptor(ours)
    if (fd === undefined) throw new ShoalError('STORAGE_FAILED', 'fusermount3 ended well, but sent no device')
    setNonBlocking(fd)
    return fd
  } finally {
    closeSync(ours)
    closeSync(theirs)
  }
}

/** Runs Debian's fusermount3, which may mount for those who may not. */
async function runFusermount(args: readonly string[], socket?: number): Promise<void> {
  const child = spawn('fusermount3', args, {
    stdio: ['ignore', 'ignore', 'pipe', ...(socket === undefined ? [] : [socket])],
    env: { ...process.env, LC_ALL: 'C', ...(socket === undefined ? {} : { _FUSE_COMMFD: '3' }) },
  })
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < HELPER_LINES_BYTES_MAX) said += text
  })
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    if (code !== 0) throw fusermountError(said.trim().slice(0, HELPER_LINES_BYTES_MAX))
  } catch (cause) {
    if (isShoalError(cause)) throw cause
    throw new ShoalError('UNSUPPORTED', 'Users mount by fusermount3, which is not on this machine: install Debian\'s "fuse3"', {
      cause,
    })
  }
}

function fusermountError(said: string): ShoalError {
  if (/busy/i.test(said)) return new ShoalError('BUSY', `It is in use: ${said}`)
  if (/not found in|not mounted|Invalid argument/i.test(said)) return new ShoalError('NOT_FOUND', said)
  if (/device not found|No such device|failed to open \/dev\/fuse: No such/i.test(said))
    return new ShoalError('UNSUPPORTED', said)
  if (/bad mount point|failed to access/i.test(said) && /No such file/i.test(said)) return new ShoalError('NOT_FOUND', said)
  return new ShoalError('NOT_PERMITTED', `fusermount3 refused: ${said === '' ? 'it said nothing' : said}`)
}
