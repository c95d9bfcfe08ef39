// The disk of one of three stores is full while files are written: writes go on, and its copies come when there is room.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ProcessCluster, until } from './process-cluster.ts'

const run = promisify(execFile)
const MIB = 1024 * 1024
/** etcd takes 64 MiB of it for a start, the node's reserve some more. */
const DISK_BYTES = 320 * MIB
const LARGER_DISK_BYTES = 1024 * MIB
const FILE_BYTES = 8 * MIB
const FILES = 40
const SMALL = 2
const VOLUME = 'kept'
const SETTLE_MS = 120_000

export interface FullDiskReport {
  readonly files: number
  /** Chunks that had fewer than three copies while the disk was full. */
  readonly short: number
  readonly backAfterMs: number
}

/** Needs root, to mount. @throws if a write was refused, or an acknowledged one is lost or not on all disks in the end */
export async function runFullDisk(say: (line: string) => void): Promise<FullDiskReport> {
  const disk = await mkdtemp(join(tmpdir(), 'shoal-small-disk-'))
  await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk])
  let cluster: ProcessCluster | undefined
  try {
    const dataOf = (at: number, folder: string): string => join(at === SMALL ? disk : folder, `node-${at}`)
    cluster = await ProcessCluster.start({ nodes: 3, mode: 'cluster', dataOf })
    return await fill(cluster, disk, say)
  } catch (error) {
    for (const at of cluster?.running ?? []) say(`the end of the log of node ${at}:\n${cluster?.logOf(at).slice(-4_000)}`)
    throw error
  } finally {
    await cluster?.dispose()
    await run('umount', [disk])
    await rm(disk, { recursive: true, force: true })
  }
}

async function fill(cluster: ProcessCluster, disk: string, say: (line: string) => void): Promise<FullDiskReport> {
  await cluster.client(0).createVolume(VOLUME)
  const contents = new Map<string, Buffer>()
  for (let file = 0; file < FILES; file += 1) {
    const bytes = randomBytes(FILE_BYTES)
    await cluster.client(file % 3).writeSmallFile(VOLUME, `file-${file}`, bytes)
    contents.set(`file-${file}`, bytes)
  }
  const short = await shortChunks(cluster, contents)
  say(`${FILES} files of ${FILE_BYTES / MIB} MiB are acknowledged, ${short} chunks have fewer than three copies`)
  assert.ok(short > 0, 'the disk was full')
  await readAll(cluster, contents)
  await run('mount', ['-o', `remount,size=${LARGER_DISK_BYTES}`, disk])
  const beganMs = performance.now()
  await until('every chunk has its copies', async () => (await shortChunks(cluster, contents)) === 0, SETTLE_MS)
  const backAfterMs = Math.round(performance.now() - beganMs)
  await readAll(cluster, contents)
  return { files: FILES, short, backAfterMs }
}

async function shortChunks(cluster: ProcessCluster, contents: ReadonlyMap<string, Buffer>): Promise<number> {
  let short = 0
  for (const path of contents.keys()) {
    const { extents } = await cluster.client(0).locate(VOLUME, path)
    short += extents.filter(({ state, nodes }) => state !== 'stored' || nodes.length < 3).length
  }
  return short
}

async function readAll(cluster: ProcessCluster, contents: ReadonlyMap<string, Buffer>): Promise<void> {
  let turn = 0
  for (const [path, bytes] of contents) {
    turn += 1
    const read = await cluster.client(turn % 3).readSmallFile(VOLUME, path)
    assert.ok(read.bytes.equals(bytes), `${path} is as it was written`)
  }
}
