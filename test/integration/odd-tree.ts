// A tree with everything that a file system of Linux allows and that copying tends to get wrong.

import { randomBytes } from 'node:crypto'
import { chmodSync, closeSync, constants, mkdirSync, openSync, symlinkSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const KIB = 1024
export const MIB = 1024 * KIB
const SLASH = 0x2f
const DOT = 0x2e
const LEVELS = 1_000

/** Around each limit of the store: inline, packed, one chunk, several. */
export const EDGE_SIZES = [
  0,
  1,
  4095,
  4096,
  4097,
  256 * KIB - 1,
  256 * KIB,
  256 * KIB + 1,
  8 * MIB - 1,
  8 * MIB,
  8 * MIB + 1,
  64 * MIB,
]

export function buildOddTree(root: string, sizes: readonly number[]): void {
  mkdirSync(root)
  buildSizes(join(root, 'sizes'), sizes)
  buildNames(join(root, 'names'))
  buildLinks(join(root, 'links'))
  buildAttributes(join(root, 'attributes'))
  buildDepth(join(root, 'deep'))
}

function buildSizes(folder: string, sizes: readonly number[]): void {
  mkdirSync(folder)
  for (const size of sizes) writeRandom(join(folder, String(size)), size)
}

/** A file whose every MiB is another one. */
export function writeRandom(path: string, size: number): void {
  const file = openSync(path, 'w')
  const block = randomBytes(Math.min(size, MIB))
  for (let at = 0; at < size; at += block.length) {
    if (block.length === MIB) block.writeUInt32LE(at / MIB, 0)
    writeSync(file, block, 0, Math.min(block.length, size - at))
  }
  closeSync(file)
}

/** Every byte in a name of its own; names as long as can be; random ones; in two directories, one for the other kind of entry. */
function buildNames(folder: string): void {
  mkdirSync(folder)
  mkdirSync(join(folder, 'directories'))
  const names = [
    ...Array.from({ length: 255 }, (_, index) => Buffer.of(index + 1)).filter(([byte]) => byte !== SLASH && byte !== DOT),
    ...['...', '.hidden', '-rf', 'a\nb', 'a%2fb', 'C:\\x', '$HOME', 'a\u0301', '\u00e1', '\ufffd', '\u{1f41f}'].map((name) =>
      Buffer.from(name),
    ),
    Buffer.alloc(255, 'n'),
    Buffer.alloc(255, 0xff),
    Buffer.alloc(254, Buffer.from('é')),
    Buffer.from(Array.from({ length: 254 }, (_, index) => index + 1).filter((byte) => byte !== SLASH)),
    Buffer.from('eda080', 'hex'),
    Buffer.from('c0af', 'hex'),
    ...Array.from({ length: 40 }, () => randomName(9 + Math.floor(Math.random() * 247))),
  ]
  for (const name of names) writeFileSync(below(folder, name), name)
  for (const name of names) mkdirSync(below(join(folder, 'directories'), name))
}

function randomName(length: number): Buffer {
  return Buffer.from(randomBytes(length).map((byte) => (byte === 0 || byte === SLASH ? 0x80 : byte)))
}

function below(folder: string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), name])
}

function buildLinks(folder: string): void {
  mkdirSync(folder)
  writeFileSync(join(folder, 'file'), 'linked')
  mkdirSync(join(folder, 'directory'))
  symlinkSync('file', join(folder, 'to-file'))
  symlinkSync('directory', join(folder, 'to-directory'))
  symlinkSync('.', join(folder, 'to-itself'))
  symlinkSync('circle-2', join(folder, 'circle-1'))
  symlinkSync('circle-1', join(folder, 'circle-2'))
  symlinkSync('/nowhere/at/all', join(folder, 'dangling'))
  symlinkSync('../../../../outside', join(folder, 'outside'))
  symlinkSync('t'.repeat(4_000), join(folder, 'long'))
  const bytes = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1))
  symlinkSync(bytes, join(folder, 'bytes'))
  symlinkSync('file', below(folder, Buffer.from('ff80', 'hex')))
}

function buildAttributes(folder: string): void {
  mkdirSync(folder)
  for (const mode of [0o000, 0o400, 0o600, 0o644, 0o664, 0o755, 0o777, 0o4755, 0o2755, 0o1644]) {
    const path = join(folder, `mode-${mode.toString(8)}`)
    writeFileSync(path, 'mode')
    chmodSync(path, mode)
  }
  for (const mode of [0o500, 0o700, 0o1777, 0o2770]) {
    const path = join(folder, `directory-${mode.toString(8)}`)
    mkdirSync(path)
    writeFileSync(join(path, 'inside'), 'inside')
    chmodSync(path, mode)
  }
  for (const seconds of [0, 1, 86_400.5, 1_000_000_000.123456, 1_700_000_000.999999, 4_102_444_800]) {
    const path = join(folder, `time-${seconds}`)
    writeFileSync(path, 'time')
    utimesSync(path, seconds, seconds)
  }
  const directory = join(folder, 'time-of-a-directory')
  mkdirSync(directory)
  writeFileSync(join(directory, 'inside'), 'inside')
  utimesSync(directory, 1_234_567_890.5, 1_234_567_890.5)
}

/** Deeper than a path of the operating system can say: each level is made below the open one before. */
function buildDepth(folder: string): void {
  mkdirSync(folder)
  let level = openDirectory(folder)
  for (let depth = 1; depth <= LEVELS; depth += 1) {
    const path = `/proc/self/fd/${level}/level${depth}`
    mkdirSync(path)
    if (depth % 100 === 0) writeFileSync(`${path}/file`, `at level ${depth}`)
    const next = openDirectory(path)
    closeSync(level)
    level = next
  }
  closeSync(level)
}

export function openDirectory(path: string | Buffer): number {
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
}
